package etcd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Roles of this test binary in TestFullDisk: one process has a small disk of its own
// and starts the others in turn.
const (
	diskVariable  = "LEAT_ETCD_TEST_DISK"
	diskRole      = "LEAT_ETCD_TEST_DISK_ROLE"
	roleHolder    = "holder"
	roleWriter    = "writer"
	roleReader    = "reader"
	noMountStatus = 99
)

// TestFullDisk fills the disk of a member. It ends, and says why; with more room it
// starts again and has all that it had acknowledged.
func TestFullDisk(t *testing.T) {
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), diskRole+"="+roleHolder, diskVariable+"="+t.TempDir())
	holder.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := holder.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() == noMountStatus) {
		t.Skipf("a file system of its own cannot be mounted here: %v\n%s", err, out)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// fullDiskRole plays the role that the environment asks for, if any.
func fullDiskRole() (played bool) {
	var err error
	disk := os.Getenv(diskVariable)
	switch os.Getenv(diskRole) {
	case roleHolder:
		if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=96m"); err != nil {
			fmt.Fprintln(os.Stderr, "mounting:", err)
			os.Exit(noMountStatus)
		}
		err = fillAndGrow(disk)
	case roleWriter:
		err = writeUntilFull(disk)
	case roleReader:
		err = readBack(disk)
	default:
		return false
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// fillAndGrow has one process write until it ends, and another one read.
func fillAndGrow(disk string) error {
	role := func(name string) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), diskRole+"="+name)
		return cmd
	}
	writer := role(roleWriter)
	var errOut strings.Builder
	writer.Stderr = &errOut
	out, err := writer.Output()
	if err == nil || !strings.Contains(errOut.String(), "no space left on device") {
		return fmt.Errorf("the member on a full disk ended with %w and said:\n%s", err, errOut.String())
	}
	last := strings.TrimSpace(string(out))
	last = last[strings.LastIndex(last, "\n")+1:]
	if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size=512m"); err != nil {
		return fmt.Errorf("making the disk larger: %w", err)
	}
	reader := role(roleReader)
	reader.Stdin = strings.NewReader(last)
	if out, err := reader.CombinedOutput(); err != nil {
		return fmt.Errorf("with more room, after %s writes: %w\n%s", last, err, out)
	}
	return nil
}

// writeUntilFull writes and tells of each write that was acknowledged. It does not
// return: etcd ends the process.
func writeUntilFull(disk string) error {
	s, err := Start(context.Background(), Config{Dir: filepath.Join(disk, "etcd"), Ephemeral: true})
	if err != nil {
		return err
	}
	client, err := s.NewClient()
	if err != nil {
		return err
	}
	value := strings.Repeat("x", 256<<10)
	for i := 0; ; i++ {
		if _, err := client.Put(context.Background(), fmt.Sprintf("/k/%d", i), value); err != nil {
			return <-s.Failed()
		}
		fmt.Println(i)
	}
}

// readBack looks for all keys up to the one that standard input names.
func readBack(disk string) error {
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	last, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return fmt.Errorf("nothing was written: %w", err)
	}
	access, err := Open(context.Background(), Config{Dir: filepath.Join(disk, "etcd")})
	if err != nil {
		return err
	}
	defer access.Close()
	for i := range last + 1 {
		response, err := access.Client.Get(context.Background(), fmt.Sprintf("/k/%d", i))
		if err != nil {
			return err
		}
		if len(response.Kvs) != 1 || len(response.Kvs[0].Value) != 256<<10 {
			return fmt.Errorf("key %d of %d was acknowledged and is lost", i, last)
		}
	}
	return nil
}
