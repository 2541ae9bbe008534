package target

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// Identity is who a request is made as. The zero value is Leat itself. What
// may be impersonated, groups like system:masters included, is decided by the
// cluster's rules for Leat's own identity, and by nothing here.
type Identity struct {
	// ServiceAccount is impersonated when its name is set.
	ServiceAccount types.NamespacedName
	// User is impersonated when it is set, in place of ServiceAccount: for what
	// is done on behalf of the caller of a request. It must not change any more.
	User *User
}

// User is somebody as an authenticator described them.
type User struct {
	Name, UID string
	Groups    []string
	Extra     map[string][]string
}

// Username returns the user name to impersonate, empty for Leat itself.
func (i Identity) Username() string {
	switch {
	case i.User != nil:
		return i.User.Name
	case i.ServiceAccount.Name == "":
		return ""
	}
	return "system:serviceaccount:" + i.ServiceAccount.Namespace + ":" + i.ServiceAccount.Name
}

// anonymous is whom a user without a name stands for. Without a name no
// impersonation takes place, and the request would be Leat's own.
const anonymous = "system:anonymous"

// impersonate sets the headers that make a request the identity's.
//
// All that is known of a user is sent, also what no rule that we know of reads:
// some authorizers narrow rights by it, so leaving it out could widen them.
func (i Identity) impersonate(h http.Header) {
	name := i.Username()
	if i.User == nil {
		if name != "" {
			h.Set("Impersonate-User", name)
		}
		return
	}
	if name == "" {
		name = anonymous
	}
	h.Set("Impersonate-User", name)
	if i.User.UID != "" {
		h.Set("Impersonate-Uid", i.User.UID)
	}
	h["Impersonate-Group"] = slices.Clone(i.User.Groups)
	for key, values := range i.User.Extra {
		name := "Impersonate-Extra-" + headerKey(key)
		for _, v := range values {
			h.Add(name, v)
		}
	}
}

// headerKey escapes what the name of a header must not hold. The server takes
// the name in lower case and unescapes it.
func headerKey(key string) string {
	var b strings.Builder
	for _, c := range []byte(strings.ToLower(key)) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~!#$&'*+^`|", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}
