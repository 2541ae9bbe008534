package git

import (
	"fmt"
	"net/netip"
	"slices"
)

// metadataAddresses are where clouds hand out the credentials of a machine to
// whoever asks from it, besides 169.254.169.254, which is link-local: Amazon's for
// IPv6 and Alibaba's.
var metadataAddresses = []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200")}

// DenyMetadata is the default of Options.DialControl. It refuses link-local
// addresses and those of cloud metadata services: no repository is there, and a
// tenant who names one is after the credentials of the machine. Loopback and
// private addresses are allowed, since clusters have Git servers there.
func DenyMetadata(_, address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("connecting to %s: it is not an address and a port", address)
	}
	addr := to.Addr().Unmap()
	if addr.IsLinkLocalUnicast() || slices.Contains(metadataAddresses, addr.WithZone("")) {
		return fmt.Errorf("connecting to %s is denied: link-local and cloud metadata addresses are not allowed as Git servers", addr)
	}
	return nil
}
