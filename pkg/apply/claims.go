package apply

import (
	"sync"

	"github.com/leat-dev/leat/pkg/object"
)

// claims knows which owner last asked for an object, among the owners that
// this process has planned. An owner from whose set an object has gone may find
// here that another one wants it already, before the live object's labels say
// so: a move is not a delete.
type claims struct {
	mu    sync.Mutex
	byKey map[object.Key]string
	byUID map[string][]object.Key
}

func newClaims() *claims {
	return &claims{byKey: map[object.Key]string{}, byUID: map[string][]object.Key{}}
}

// set replaces what the owner uid claims.
func (c *claims) set(uid string, keys []object.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(uid)
	for _, k := range keys {
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
		if c.byKey[k] == uid {
			delete(c.byKey, k)
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
