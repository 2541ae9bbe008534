package git

import (
	"bufio"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
)

// A server makes a pack thin when it may: it sends deltas against objects that
// it was told are there. Only then does it look, for a shallow commit, at what
// else is there, so without thin packs every update would be a whole download.
// go-git can neither read nor complete such a pack.

const (
	packCountOffset = 8
	packTrailerSize = sha1.Size
)

// complete appends the bases of deltas that are not in the pack. A base that is
// nowhere is left to the parser, which fails.
func (p *packs) complete(f *os.File, count uint32, bases []plumbing.Hash) error {
	end, err := f.Seek(-packTrailerSize, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := f.Truncate(end); err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	for _, id := range bases {
		there, err := p.has(id)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		o, err := p.get(plumbing.AnyObject, id)
		if err != nil {
			return err
		}
		if err := appendObject(out, o); err != nil {
			return fmt.Errorf("appending base %s: %w", id, err)
		}
		count++
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if _, err := f.WriteAt(binary.BigEndian.AppendUint32(nil, count), packCountOffset); err != nil {
		return err
	}
	return sealPack(f)
}

// appendObject writes a whole object in the format of a pack: its type and
// size, four and then seven bits of the size to a byte, and its content.
func appendObject(out io.Writer, o plumbing.EncodedObject) (err error) {
	size := uint64(o.Size())
	header := []byte{byte(o.Type())<<4 | byte(size&0x0f)}
	for size >>= 4; size > 0; size >>= 7 {
		header[len(header)-1] |= 0x80
		header = append(header, byte(size&0x7f))
	}
	if _, err := out.Write(header); err != nil {
		return err
	}
	r, err := o.Reader()
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := r.Close(); err == nil {
			err = closeErr
		}
	}()
	z := zlib.NewWriter(out)
	if _, err := io.Copy(z, r); err != nil {
		return err
	}
	return z.Close()
}

// sealPack appends the checksum of all that is in the pack.
func sealPack(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha1.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	_, err := f.Write(h.Sum(nil))
	return err
}
