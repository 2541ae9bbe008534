package instance

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	portsName = "ports"
	// Ports come from below the range that the kernel hands out to outgoing
	// connections (32768 and up), else one of those may sit on the port of a
	// cluster that was stopped.
	firstPort, lastPort = 20000, 32000
	portAttempts        = 100
)

// Port returns the port of a name in the directory. The first call chooses a
// free one on 127.0.0.1, later ones return the same, so that addresses that
// were handed out stay true across restarts.
func Port(dir, name string) (int, error) {
	if name == "" || strings.ContainsAny(name, "=\n\t ") {
		return 0, fmt.Errorf("choosing a port: %q is not a name", name)
	}
	file, err := os.OpenFile(filepath.Join(dir, portsName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, fmt.Errorf("opening the ports of %s: %w", dir, err)
	}
	defer func() { _ = file.Close() }()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return 0, fmt.Errorf("locking the ports of %s: %w", dir, err)
	}
	ports, err := readPorts(file)
	if err != nil {
		return 0, err
	}
	if port, ok := ports[name]; ok {
		return port, nil
	}
	port, err := freePort(ports)
	if err != nil {
		return 0, err
	}
	if _, err := file.Seek(0, 2); err != nil {
		return 0, fmt.Errorf("writing the ports of %s: %w", dir, err)
	}
	if _, err := fmt.Fprintf(file, "%s=%d\n", name, port); err != nil {
		return 0, fmt.Errorf("writing the ports of %s: %w", dir, err)
	}
	return port, nil
}

func readPorts(file *os.File) (map[string]int, error) {
	ports := map[string]int{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), "=")
		port, err := strconv.Atoi(value)
		if !ok || err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("reading %s: %q is not of the form name=port", file.Name(), lines.Text())
		}
		ports[name] = port
	}
	return ports, lines.Err()
}

func freePort(taken map[string]int) (int, error) {
	used := make([]int, 0, len(taken))
	for _, port := range taken {
		used = append(used, port)
	}
	for range portAttempts {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if slices.Contains(used, port) {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if errors.Is(err, unix.EADDRINUSE) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("choosing a port: %w", err)
		}
		return port, listener.Close()
	}
	return 0, fmt.Errorf("choosing a port: none of %d between %d and %d was free", portAttempts, firstPort, lastPort)
}
