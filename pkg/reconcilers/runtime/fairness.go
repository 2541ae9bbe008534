package runtime

// ring holds waiting keys by namespace and hands them out in turns.
//
// A namespace that gets its first key goes to the end of the line; when it is
// served and still has keys it goes there again. So between two keys of one
// namespace every other namespace that waits is served once.
type ring struct {
	line   fifo[string]
	queues map[string]*fifo[Key]
}

func newRing() ring { return ring{queues: map[string]*fifo[Key]{}} }

func (r *ring) push(k Key) {
	q, ok := r.queues[k.Namespace]
	if !ok {
		q = &fifo[Key]{}
		r.queues[k.Namespace] = q
		r.line.push(k.Namespace)
	}
	q.push(k)
}

func (r *ring) pop() (Key, bool) {
	namespace, ok := r.line.pop()
	if !ok {
		return Key{}, false
	}
	q := r.queues[namespace]
	k, _ := q.pop()
	if q.len() > 0 {
		r.line.push(namespace)
	} else {
		delete(r.queues, namespace)
	}
	return k, true
}

// fifo is a queue whose memory is bounded by twice its length.
type fifo[T any] struct {
	list []T
	head int
}

func (f *fifo[T]) len() int { return len(f.list) - f.head }

func (f *fifo[T]) push(v T) { f.list = append(f.list, v) }

func (f *fifo[T]) pop() (v T, ok bool) {
	if f.len() == 0 {
		return v, false
	}
	v = f.list[f.head]
	var zero T
	f.list[f.head] = zero
	f.head++
	if f.head*2 > len(f.list) {
		f.list = append(f.list[:0], f.list[f.head:]...)
		f.head = 0
	}
	return v, true
}

// timerHeap orders items by time; it implements heap.Interface and keeps the
// index of each item, so that a timer can be moved and removed.
type timerHeap []*item

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	it := x.(*item)
	it.index = len(*h)
	*h = append(*h, it)
}

func (h *timerHeap) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	it.index = -1
	return it
}
