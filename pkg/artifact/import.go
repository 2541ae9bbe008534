package artifact

import (
	"archive/tar"
	"bufio"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ImportLimits bound what Import takes. Zero fields have the defaults. The
// store's own limits count too where they are lower.
type ImportLimits struct {
	// Compressed is the size of the archive as it arrives: 64 MiB by default.
	Compressed int64
	// Entries is the number of entries, directories included: 100 000 by
	// default. There are no more directories than that either, those counted
	// that only names of files imply.
	Entries int
	// FileSize is the size of one file: 32 MiB by default.
	FileSize int64
	// TotalSize is the size of all files: 512 MiB by default.
	TotalSize int64
}

func (l ImportLimits) complete() ImportLimits {
	setDefault(&l.Compressed, 64<<20)
	setDefault(&l.Entries, 100_000)
	setDefault(&l.FileSize, 32<<20)
	setDefault(&l.TotalSize, 512<<20)
	return l
}

// ArchiveError says that an archive cannot be imported, and which of its
// entries is the reason.
type ArchiveError struct {
	// Entry is empty if no entry is to blame.
	Entry string
	Err   error
}

func (e *ArchiveError) Error() string {
	if e.Entry == "" {
		return "archive: " + e.Err.Error()
	}
	return fmt.Sprintf("archive entry %q: %v", shorten(e.Entry), e.Err)
}

func (e *ArchiveError) Unwrap() error { return e.Err }

// Import stores the content of a tar.gz that comes from a stranger and returns
// it as a tree that no record refers to: it is there for as long as somebody
// holds the Tree, and collected after that.
//
// Only files and directories are taken, under names that cannot mean anything
// but a place in the tree; each at most once. A leading "./" counts for
// nothing. Of a file's mode only the owner's execute bit is kept; directories
// are there for what is in them. There must be nothing after the archive.
//
// What is wrong with the archive is an *ArchiveError, *PathError or
// *LimitError: the client's fault. Other errors are the store's, ctx's or r's.
func (s *Store) Import(ctx context.Context, r io.Reader, l ImportLimits) (*Tree, error) {
	w, err := s.NewWriter(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	if err := newImporter(w, r, l).run(ctx); err != nil {
		return nil, fmt.Errorf("importing an archive: %w", err)
	}
	w.dropEmpty(w.root)
	return w.Commit()
}

// sourceReader reads the compressed archive, counts it, and keeps the error
// that ends it.
type sourceReader struct {
	from        io.Reader
	left, limit int64
	err         error
}

func (r *sourceReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.from.Read(p[:min(int64(len(p)), r.left)])
	if r.left -= int64(n); r.left <= 0 {
		r.err = &LimitError{Limit: "bytes of a compressed archive", Max: r.limit, Path: "archive"}
		return n, r.err
	}
	if err != nil && err != io.EOF {
		r.err = fmt.Errorf("receiving it: %w", err)
		err = r.err
	}
	return n, err
}

// importer is one import on its way.
type importer struct {
	writer  *Writer
	limits  ImportLimits
	source  *sourceReader
	entries int
	// entry is the name of the last entry, for errors about what follows it.
	entry string
}

func newImporter(w *Writer, r io.Reader, l ImportLimits) *importer {
	l = l.complete()
	w.limits.FileSize = min(w.limits.FileSize, l.FileSize)
	w.limits.TotalSize = min(w.limits.TotalSize, l.TotalSize)
	w.limits.Directories = min(w.limits.Directories, l.Entries)
	return &importer{writer: w, limits: l, source: &sourceReader{from: r, left: l.Compressed + 1, limit: l.Compressed}}
}

func (i *importer) run(ctx context.Context) error {
	err := i.read(ctx)
	if err != nil && i.source.err != nil {
		// What the layers above make of an error of the source is not what it was.
		return i.source.err
	}
	return err
}

func (i *importer) read(ctx context.Context) error {
	in := bufio.NewReaderSize(i.source, 64<<10)
	zr, err := gzip.NewReader(in)
	if err != nil {
		return &ArchiveError{Err: fmt.Errorf("it is not a gzip stream: %w", err)}
	}
	zr.Multistream(false)
	plain := &budgetReader{from: zr, left: i.budget(), limit: i.writer.limits.TotalSize}
	tr := tar.NewReader(plain)
	for {
		h, err := tr.Next()
		if plain.err != nil {
			return plain.err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return i.unreadable(err)
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := i.take(h, tr); err != nil {
			if plain.err != nil {
				return plain.err
			}
			return err
		}
	}
	if err := padding(plain); err != nil {
		return err
	}
	switch _, err := in.ReadByte(); {
	case err == nil:
		return &ArchiveError{Err: errors.New("there is more data after the gzip stream: only one is taken, and nothing after it")}
	case err != io.EOF:
		return err
	}
	return nil
}

// budget is how many bytes a tar under the limits has at most: headers, long
// names and padding included.
func (i *importer) budget() int64 {
	const overhead = 8 << 10 // of an entry: header, extended header, padding
	return i.writer.limits.TotalSize + int64(i.limits.Entries+2)*overhead
}

// take takes in one entry.
func (i *importer) take(h *tar.Header, content io.Reader) error {
	if i.entries++; i.entries > i.limits.Entries {
		return &LimitError{Limit: "entries of an archive", Max: int64(i.limits.Entries), Path: h.Name}
	}
	i.entry = h.Name
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return i.global(h)
	case tar.TypeReg, tar.TypeDir:
	default:
		return &ArchiveError{Entry: h.Name, Err: fmt.Errorf("it is %s: only files and directories are taken", typeName(h.Typeflag))}
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return &ArchiveError{Entry: h.Name, Err: errors.New("it is a sparse file: only plain files are taken")}
		}
	}
	dir := h.Typeflag == tar.TypeDir
	name := strings.TrimPrefix(h.Name, "./")
	if dir {
		name = strings.TrimSuffix(name, "/")
		if name == "" || name == rootPath {
			return nil
		}
	}
	if err := checkPath(name, i.writer.limits); err != nil {
		return err
	}
	if dir {
		_, err := i.writer.draft(name)
		return err
	}
	// What a header promises is refused before it is read.
	switch l := i.writer.limits; {
	case h.Size > l.FileSize:
		return &LimitError{Limit: "file size", Max: l.FileSize, Path: name}
	case h.Size > l.TotalSize-i.writer.bytes:
		return &LimitError{Limit: "bytes in a tree", Max: l.TotalSize, Path: name}
	}
	_, err := i.writer.File(name, h.Mode&0o100 != 0, content)
	if broken := formatError(err); broken != nil {
		return &ArchiveError{Entry: h.Name, Err: broken}
	}
	return err
}

// global takes the header that `git archive` begins with: a comment.
func (i *importer) global(h *tar.Header) error {
	for key := range h.PAXRecords {
		if key != "comment" {
			return &ArchiveError{Entry: h.Name, Err: fmt.Errorf("it sets %q for all that follows, which is not taken", shorten(key))}
		}
	}
	return nil
}

// unreadable says after which entry an archive cannot be read.
func (i *importer) unreadable(err error) error {
	if broken := formatError(err); broken != nil {
		err = broken
	}
	if i.entry == "" {
		return &ArchiveError{Err: fmt.Errorf("reading the first entry: %w", err)}
	}
	return &ArchiveError{Entry: i.entry, Err: fmt.Errorf("reading what follows it: %w", err)}
}

// formatError returns what a damaged archive is said to be, nil for errors that
// are not about its format.
func formatError(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the archive is truncated")
	case errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return errors.New("the gzip stream is damaged")
	case errors.Is(err, tar.ErrHeader):
		return errors.New("the tar header is damaged")
	}
	return nil
}

// budgetReader bounds what comes out of a compressed stream.
type budgetReader struct {
	from        io.Reader
	left, limit int64
	err         error
}

func (r *budgetReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.from.Read(p)
	if r.left -= int64(n); r.left < 0 {
		r.err = &LimitError{Limit: "bytes in a tree", Max: r.limit, Path: "archive"}
		return 0, r.err
	}
	return n, err
}

// padding reads what follows the end of a tar: zeros, up to a full record of
// whoever wrote it.
func padding(r io.Reader) error {
	const most = 1 << 20
	buf := make([]byte, 32<<10)
	for total := 0; ; {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return &ArchiveError{Err: errors.New("there is more data after the end of the tar")}
			}
		}
		if total += n; total > most {
			return &LimitError{Limit: "bytes after the end of a tar", Max: most, Path: "archive"}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			if broken := formatError(err); broken != nil {
				return &ArchiveError{Err: broken}
			}
			return err
		}
	}
}

func typeName(flag byte) string {
	switch flag {
	case tar.TypeSymlink:
		return "a symbolic link"
	case tar.TypeLink:
		return "a hard link"
	case tar.TypeChar, tar.TypeBlock:
		return "a device"
	case tar.TypeFifo:
		return "a named pipe"
	case tar.TypeGNUSparse:
		return "a sparse file"
	}
	return fmt.Sprintf("of type %q", flag)
}
