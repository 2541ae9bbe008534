package protocol

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Version is the version of the protocol. Pool and worker are installed
// together, so there is no negotiation: a difference is an error.
const Version = 1

// headerSize is the length (uint32, little endian) and the kind of a frame.
const headerSize = 4 + 1

// MaxFrame is the largest frame that either side accepts. It must hold the
// largest answer and the largest result (see Limits), with room for names.
const MaxFrame = 160 << 20

// Conn sends and receives messages. Sending and receiving may be done by two
// goroutines, each by one at a time.
type Conn struct {
	reader *bufio.Reader
	writer io.Writer
	limit  int
	out    []byte
}

// NewConn returns a connection that refuses frames larger than limit.
func NewConn(r io.Reader, w io.Writer, limit int) *Conn {
	return &Conn{reader: bufio.NewReaderSize(r, 64<<10), writer: w, limit: limit}
}

// keptBuffer is how large an output buffer may be to be kept for the next
// message: one large build shall not hold its memory for good.
const keptBuffer = 1 << 20

// Send writes m as one frame, in one write.
func (c *Conn) Send(m Message) error {
	frame := append(c.out[:0], make([]byte, headerSize)...)
	frame, err := m.append(frame)
	if err != nil {
		return fmt.Errorf("encoding a message of kind %d: %w", m.kind(), err)
	}
	size := len(frame) - headerSize
	if size > c.limit {
		return fmt.Errorf("message of kind %d has %d bytes, more than the limit of %d", m.kind(), size, c.limit)
	}
	binary.LittleEndian.PutUint32(frame, uint32(size))
	frame[headerSize-1] = byte(m.kind())
	if cap(frame) <= keptBuffer {
		c.out = frame
	} else {
		c.out = nil
	}
	if _, err := c.writer.Write(frame); err != nil {
		return fmt.Errorf("sending a message of kind %d: %w", m.kind(), err)
	}
	return nil
}

// Receive reads the next message. It returns io.EOF when the other side closed
// the connection between two messages. The message's contents share memory of
// their own, which the connection does not touch again.
func (c *Conn) Receive() (Message, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(c.reader, header[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("receiving a frame header: %w", err)
	}
	size := int64(binary.LittleEndian.Uint32(header[:]))
	if size > int64(c.limit) {
		return nil, fmt.Errorf("frame of %d bytes is larger than the limit of %d", size, c.limit)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(c.reader, payload); err != nil {
		return nil, fmt.Errorf("receiving a frame of %d bytes: %w", size, err)
	}
	return Decode(Kind(header[headerSize-1]), payload)
}
