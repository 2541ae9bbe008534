package artifact

import (
	"time"

	"k8s.io/utils/clock"
)

// Options configure a Store. The zero value has the defaults.
type Options struct {
	// RetentionRecords is how many records of an owner are kept at most, the
	// current one included. The default is 2.
	RetentionRecords int
	// RetentionTTL is how long a record is kept after a newer one took its
	// place. The default is 60 s. The current record never expires.
	RetentionTTL time.Duration
	// Clock tells the time of records. The default is the real clock.
	Clock clock.PassiveClock
	// Limits bound what one ingest may store.
	Limits Limits
	// MaxSegments is the number of segment files above which Collect merges
	// the smallest. The default is 64. Each costs a file descriptor.
	MaxSegments int
	// CacheEntries bounds the trees that are kept in memory for their next
	// reader, counted in entries of about 130 bytes. The default is 200 000.
	CacheEntries int
}

// Limits bound what one ingest may store. Zero fields have the defaults.
type Limits struct {
	// Files is the number of files in a tree: 200 000 by default.
	Files int
	// Directories is the number of directories in it that are put together from
	// their entries: 200 000 by default. Each is stored by itself.
	Directories int
	// FileSize is the size of one file: 256 MiB by default.
	FileSize int64
	// TotalSize is the size of all files of a tree: 2 GiB by default.
	TotalSize int64
	// PathLength is the length of a path in bytes: 1024 by default.
	PathLength int
	// Depth is the number of elements of a path: 64 by default.
	Depth int
}

func (o Options) complete() Options {
	setDefault(&o.RetentionRecords, 2)
	setDefault(&o.RetentionTTL, 60*time.Second)
	setDefault(&o.MaxSegments, 64)
	setDefault(&o.CacheEntries, 200_000)
	setDefault(&o.Limits.Files, 200_000)
	setDefault(&o.Limits.Directories, 200_000)
	setDefault(&o.Limits.FileSize, 256<<20)
	setDefault(&o.Limits.TotalSize, 2<<30)
	setDefault(&o.Limits.PathLength, 1024)
	setDefault(&o.Limits.Depth, 64)
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o
}

func setDefault[T ~int | ~int64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
