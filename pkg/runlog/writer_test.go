package runlog

import (
	"context"
	"testing"
)

// gate is a store whose writes wait until all who are to write are there.
type gate struct {
	*memory
	arrived, open chan struct{}
}

func (g *gate) Put(ctx context.Context, kind, uid string, data []byte) error {
	g.arrived <- struct{}{}
	<-g.open
	return g.memory.Put(ctx, kind, uid, data)
}

// TestFlushBesideAWrite: at the end of a server that stops in a hurry a write may
// still be on its way when what waits is flushed.
func TestFlushBesideAWrite(t *testing.T) {
	g := &gate{newMemory(), make(chan struct{}, 2), make(chan struct{})}
	l := New(g, Options{})
	l.Note("u", Note{Generation: 1, User: "admin"})
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- l.writer.flush(t.Context()) }()
	}
	for range 2 {
		<-g.arrived
	}
	close(g.open)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
