package oracle

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// Error is a server's error reply, such as "ERR unknown command".
type Error string

// Error returns the text of the reply, without the leading "-".
func (e Error) Error() string { return string(e) }

// Client speaks RESP2, the protocol of Redis and Valkey, over one connection. It is safe
// for concurrent use.
//
// Replies are string (simple and bulk strings: any bytes), int64, nil, Error, or []any
// of these.
type Client struct {
	// Timeout bounds each Do and Pipeline; zero means none. NewClient sets a minute.
	Timeout time.Duration

	mu   sync.Mutex
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
}

// NewClient connects to a server's "host:port".
func NewClient(addr string) (*Client, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &Client{Timeout: time.Minute, conn: conn, r: bufio.NewReader(conn), w: bufio.NewWriter(conn)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Do sends one command and returns its reply. An error reply is returned as an Error,
// any other error is one of the connection, which is then of no further use.
//
// Arguments are strings and []byte sent as they are, and anything else in the form that
// fmt.Sprint gives it.
func (c *Client) Do(args ...any) (any, error) {
	replies, err := c.Pipeline([][]any{args})
	if err != nil {
		return nil, err
	}
	if e, ok := replies[0].(Error); ok {
		return nil, e
	}
	return replies[0], nil
}

// Pipeline sends all commands before it reads the first reply, and returns one reply for
// each; an error reply stands among them as an Error.
func (c *Client) Pipeline(cmds [][]any) ([]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var deadline time.Time
	if c.Timeout > 0 {
		deadline = time.Now().Add(c.Timeout)
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	for _, args := range cmds {
		if err := writeCommand(c.w, args); err != nil {
			return nil, err
		}
	}
	if err := c.w.Flush(); err != nil {
		return nil, err
	}
	replies := make([]any, 0, len(cmds))
	for range cmds {
		v, err := readReply(c.r, 0)
		if err != nil {
			return nil, err
		}
		replies = append(replies, v)
	}
	return replies, nil
}

func writeCommand(w *bufio.Writer, args []any) error {
	if len(args) == 0 {
		return errors.New("oracle: a command without a name")
	}
	// The writer keeps its first error and Flush reports it.
	fmt.Fprintf(w, "*%d\r\n", len(args))
	for _, arg := range args {
		var s string
		switch a := arg.(type) {
		case string:
			s = a
		case []byte:
			s = string(a)
		default:
			s = fmt.Sprint(a)
		}
		fmt.Fprintf(w, "$%d\r\n%s\r\n", len(s), s)
	}
	return nil
}

// maxDepth is more than any command nests its reply.
const maxDepth = 64

func readReply(r *bufio.Reader, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("oracle: reply nested too deep")
	}
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return nil, fmt.Errorf("oracle: malformed reply %q", line)
	}
	kind, rest := line[0], line[1:len(line)-2]
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return Error(rest), nil
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("oracle: malformed reply %q", line)
	}
	switch {
	case kind == ':':
		return n, nil
	case (kind == '$' || kind == '*') && n == -1:
		return nil, nil
	case kind == '$' && n >= 0:
		return readBulk(r, n)
	case kind == '*' && n >= 0:
		list := []any{}
		for range n {
			v, err := readReply(r, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	return nil, fmt.Errorf("oracle: malformed reply %q", line)
}

func readBulk(r *bufio.Reader, n int64) (any, error) {
	b, err := io.ReadAll(io.LimitReader(r, n+2))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != n+2 {
		return nil, io.ErrUnexpectedEOF
	}
	return string(b[:n]), nil
}

// Text turns a reply into a string: Text(c.Do("GET", "k")). It is an error when the reply
// is of another kind.
func Text(reply any, err error) (string, error) { return as[string](reply, err) }

// Int turns a reply into a number.
func Int(reply any, err error) (int64, error) { return as[int64](reply, err) }

// List turns a reply into its elements.
func List(reply any, err error) ([]any, error) { return as[[]any](reply, err) }

// Texts turns a reply into a list of strings.
func Texts(reply any, err error) ([]string, error) {
	list, err := List(reply, err)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(list))
	for i, v := range list {
		if texts[i], err = Text(v, nil); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

func as[T any](reply any, err error) (T, error) {
	v, ok := reply.(T)
	if err == nil && !ok {
		err = fmt.Errorf("oracle: the reply is %T, want %T", reply, v)
	}
	return v, err
}
