package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the scripts of testdata/script, in each of which the samples of the repository's testdata lie. They have these
// commands beside those of testscript:
//
//	kvfsck STATUS ARGUMENT... [<FILE]
//	                            runs the program in this process, and fails if its exit status is another
//	unhex FILE NEW              makes a binary file of hexadecimal digits, in which "crc" stands for eight zero bytes
//	resp FILE NEW               makes an append-only file of lines: the words of a command, an annotation, or behind "!" raw bytes
//	concat FILE FILE NEW        puts files one behind the other
//	gzip|zstd|lz4 FILE NEW      compresses a file
//	trim FILE N                 cuts N bytes off its end
//	insert FILE OFFSET NEW      makes a file with one byte more
//	flip FILE OFFSET NEW        makes a file with another bit
//	crlf FILE NEW               makes a file as a transfer as text does, with CR LF for every LF
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			return os.CopyFS(e.WorkDir, os.DirFS(filepath.Join("..", "..", "testdata")))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"kvfsck": scriptKvfsck,
			"unhex":  scriptFile(unhex),
			"resp":   scriptFile(resp),
			"concat": scriptConcat,
			"gzip":   scriptFile(gzipBytes),
			"zstd":   scriptFile(zstdBytes),
			"lz4":    scriptFile(lz4Bytes),
			"trim":   scriptTrim,
			"insert": scriptChange(func(b []byte, at int) []byte { return slices.Insert(b, at, 0xEE) }),
			"flip":   scriptChange(func(b []byte, at int) []byte { b[at] ^= 4; return b }),
			"crlf":   scriptFile(crlf),
			"lf":     scriptFile(lf),
		},
	})
}

func scriptKvfsck(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	args = args[1:]
	stdin := ""
	if n := len(args); n > 0 && strings.HasPrefix(args[n-1], "<") {
		stdin, args = ts.ReadFile(args[n-1][1:]), args[:n-1]
	}
	for i, a := range args {
		if strings.Contains(a, ".rdb") && !filepath.IsAbs(a) {
			args[i] = ts.MkAbs(a)
		}
	}
	got := run(context.Background(), args, &env{stdin: strings.NewReader(stdin), stdout: ts.Stdout(), stderr: ts.Stderr()})
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func scriptConcat(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(ts.ReadFile(args[0])+ts.ReadFile(args[1])), 0o600))
}

func scriptTrim(ts *testscript.TestScript, _ bool, args []string) {
	b := ts.ReadFile(args[0])
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b[:len(b)-n]), 0o600))
}

// scriptChange is a command that makes a file of another with a change at an offset.
func scriptChange(change func(b []byte, at int) []byte) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		at, err := strconv.Atoi(args[1])
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), change([]byte(ts.ReadFile(args[0])), at), 0o600))
	}
}

func crlf(b []byte) ([]byte, error) { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")), nil }

func lf(b []byte) ([]byte, error) { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), nil }

// scriptFile is a command that makes a file of another.
func scriptFile(convert func([]byte) ([]byte, error)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		b, err := convert([]byte(ts.ReadFile(args[0])))
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
	}
}

func unhex(b []byte) ([]byte, error) {
	text := strings.ReplaceAll(string(b), "crc", strings.Repeat("00", 8))
	return hex.DecodeString(strings.Join(strings.Fields(text), ""))
}

func resp(b []byte) ([]byte, error) {
	var out []byte
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		words := strings.Fields(line)
		switch {
		case line == "":
		case line[0] == '#':
			out = append(out, line+"\r\n"...)
		case line[0] == '!':
			raw, err := strconv.Unquote(`"` + line[1:] + `"`)
			if err != nil {
				return nil, err
			}
			out = append(out, raw...)
		default:
			out = appendHeader(out, '*', len(words))
			for _, w := range words {
				out = appendArgument(out, []byte(w))
			}
		}
	}
	return out, nil
}

func gzipBytes(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	err := w.Close()
	return out.Bytes(), err
}

func zstdBytes(b []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil)
	return w.EncodeAll(b, nil), err
}

func lz4Bytes(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	w.Write(b)
	err := w.Close()
	return out.Bytes(), err
}
