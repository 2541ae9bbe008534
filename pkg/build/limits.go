package build

import "time"

// Limits bound one build. A field that is zero has the default.
type Limits struct {
	// Reads is how many paths may be read, looked for or listed (20 000).
	Reads int
	// FileBytes is how large a file may be (16 MiB).
	FileBytes int64
	// TotalBytes is how large all files may be together (64 MiB).
	TotalBytes int64
	// PathLength is how long a path may be (4096).
	PathLength int
	// PathDepth is how many elements a path may have (64).
	PathDepth int
	// Depth is how many levels of kustomizations may refer to one another (32).
	Depth int
	// Objects is how many objects may be rendered (20 000).
	Objects int
	// ResultBytes is how large they may be together, as JSON (64 MiB).
	ResultBytes int64
}

// The defaults of PoolOptions.
const (
	DefaultTimeout     = time.Minute
	DefaultWaitTimeout = 15 * time.Minute
	DefaultWaiting     = 10_000
	DefaultMemoryLimit = 512 << 20
	maxDefaultWorkers  = 8
)

func (l Limits) withDefaults() Limits {
	setDefault(&l.Reads, 20_000)
	setDefault(&l.FileBytes, 16<<20)
	setDefault(&l.TotalBytes, 64<<20)
	setDefault(&l.PathLength, 4096)
	setDefault(&l.PathDepth, 64)
	setDefault(&l.Depth, 32)
	setDefault(&l.Objects, 20_000)
	setDefault(&l.ResultBytes, 64<<20)
	return l
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
