package apply

import (
	"slices"
	"sync"

	"github.com/leat-dev/leat/pkg/object"
)

// claims knows which owners ask for an object, among those that this process has
// planned. An owner from whose set an object has gone may find here that another
// one wants it already, before the live object's labels say so: a move is not a
// delete.
type claims struct {
	mu    sync.Mutex
	byKey map[object.Key]string
	byUID map[string][]object.Key
	// others are the owners of an object besides the one in byKey. That there are
	// any is a mistake in the sets, but one for a person to put right: when one of
	// them gives the object up, the rest still want it.
	others map[object.Key][]string
}

func newClaims() *claims {
	return &claims{byKey: map[object.Key]string{}, byUID: map[string][]object.Key{}, others: map[object.Key][]string{}}
}

// set replaces what the owner uid claims.
func (c *claims) set(uid string, keys []object.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(uid)
	for _, k := range keys {
		if owner, ok := c.byKey[k]; ok && owner != uid {
			c.others[k] = append(c.others[k], owner)
		}
		c.byKey[k] = uid
	}
	if len(keys) > 0 {
		c.byUID[uid] = keys
	}
}

// drop forgets the owner uid.
func (c *claims) drop(uid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(uid)
}

func (c *claims) dropLocked(uid string) {
	for _, k := range c.byUID[uid] {
		rest := slices.DeleteFunc(c.others[k], func(owner string) bool { return owner == uid })
		if c.byKey[k] == uid {
			delete(c.byKey, k)
			if n := len(rest); n > 0 {
				c.byKey[k], rest = rest[n-1], rest[:n-1]
			}
		}
		if len(rest) > 0 {
			c.others[k] = rest
		} else {
			delete(c.others, k)
		}
	}
	delete(c.byUID, uid)
}

// byOther says whether another owner than uid claims k.
func (c *claims) byOther(uid string, k object.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	owner, ok := c.byKey[k]
	return ok && owner != uid
}
