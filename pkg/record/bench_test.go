package record

import (
	"fmt"
	"testing"
)

var benchmarkSizes = []int{1 << 10, 16 << 10, 256 << 10, 2 << 20, 20 << 20}

func sizeName(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%dMiB", n>>20)
	}
	return fmt.Sprintf("%dKiB", n>>10)
}

func BenchmarkPut(b *testing.B) {
	for _, size := range benchmarkSizes {
		b.Run(sizeName(size), func(b *testing.B) {
			s, _ := newStore(b)
			data := value(size, 1)
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := s.Put(b.Context(), "inventory", "u", data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPutParallel is what a hundred runs at once do: etcd syncs the log for
// several of them together.
func BenchmarkPutParallel(b *testing.B) {
	s, _ := newStore(b)
	data := value(4<<10, 1)
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Put(b.Context(), "inventory", "u", data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	for _, size := range benchmarkSizes {
		b.Run(sizeName(size), func(b *testing.B) {
			s, _ := newStore(b)
			if err := s.Put(b.Context(), "inventory", "u", value(size, 1)); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := s.Get(b.Context(), "inventory", "u"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
