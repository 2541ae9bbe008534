package git

import (
	"fmt"
	"net/netip"
)

// DenyMetadata is the default of Options.DialControl. It refuses link-local
// addresses and those of cloud metadata services, in all forms in which they
// lead there: no repository is there, and a tenant who names one is after the
// credentials of the machine. Loopback and private addresses are allowed, since
// clusters have Git servers there.
//
// Where a proxy is configured it is the proxy's address that is judged, and the
// proxy that decides about the rest.
func DenyMetadata(_, address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("connecting to %s: it is not an address and a port", address)
	}
	addr := embedded(to.Addr().WithZone("").Unmap())
	if addr.IsLinkLocalUnicast() || isMetadata(addr) {
		return fmt.Errorf("connecting to %s is denied: link-local and cloud metadata addresses are not allowed as Git servers", to.Addr())
	}
	return nil
}

// isMetadata says whether a cloud hands out the credentials of a machine, or
// its set-up, to whoever asks there. The address that most have, 169.254.169.254,
// is link-local.
func isMetadata(a netip.Addr) bool {
	switch a.String() {
	case "fd00:ec2::254", // Amazon
		"fd20:ce::254",    // Google
		"100.100.100.200", // Alibaba
		"192.0.0.192",     // Oracle
		"168.63.129.16":   // Azure
		return true
	}
	return false
}

// embedded returns the IPv4 address that a translator (NAT64) connects to when
// it is asked for an IPv6 address, else the address itself.
func embedded(a netip.Addr) netip.Addr {
	if b := a.As16(); a.Is6() && netip.MustParsePrefix("64:ff9b::/96").Contains(a) {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}
