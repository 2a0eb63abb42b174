package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kvfsck/kvfsck/internal/jsonl"
	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/rdb"
)

// digestOptions are the flags of digest.
type digestOptions struct {
	keys   bool
	json   bool
	filter filter
	as     string
}

// dialects are what --as takes.
var dialects = map[string]rdb.DigestDialect{"": rdb.DigestAsFile, "redis": rdb.DigestRedis, "valkey": rdb.DigestValkey}

func newDigest(e *env) *cobra.Command {
	var opt digestOptions
	cmd := &cobra.Command{
		Use:   "digest PATH",
		Short: "Print what DEBUG DIGEST of a server with this data answers",
		Long: `Digest prints the digest that DEBUG DIGEST of a server of 7.2 or later answers that has loaded the file: the cheapest proof that a
dump equals a live data set. It covers names, values and whether, not when, they expire; not consumer groups and not functions.

Every key of the file counts. A server that loads it now leaves out those whose expiry is in the past: --no-expired leaves them out
here as well. With --keys there is a line for each key instead, "digest db key", the digest being that of DEBUG DIGEST-VALUE and the key as in the JSON export.

Values of modules other than Redis' own vector sets count as their module gives no digest, of which the standard error tells.`,
		Example: `  kvfsck digest dump.rdb
  kvfsck digest --keys dump.rdb | sort > keys.digest`,
		Args: onePath,
		RunE: func(cmd *cobra.Command, args []string) error { return digest(cmd.Context(), e, args[0], &opt) },
	}
	f := cmd.Flags()
	f.BoolVar(&opt.keys, "keys", false, "print a line for each key")
	f.BoolVar(&opt.json, "json", false, "print one JSON document, or with --keys one a line")
	f.StringVar(&opt.as, "as", "", "whose digest: redis or valkey, which differ where fields of hashes expire (default: the file's family)")
	opt.filter.flags(cmd)
	opt.filter.expiryFlags(cmd)
	return cmd
}

func digest(ctx context.Context, e *env, path string, opt *digestOptions) error {
	dialect, ok := dialects[opt.as]
	if !ok {
		return fmt.Errorf("no digest as of %q: there are redis and valkey", opt.as)
	}
	if err := opt.filter.ready(); err != nil {
		return err
	}
	w := walk{env: e, path: path, filter: &opt.filter}
	if opt.keys {
		return digestKeys(ctx, &w, dialect, opt.json)
	}
	d := rdb.Digest{Dialect: dialect}
	err := w.run(ctx, d.Add)
	if !finished(err) {
		return err
	}
	for _, name := range d.Unknown() {
		e.complain("%s: values of module type %s count as without a digest of their own", path, name)
	}
	if opt.json {
		doc := struct {
			Schema string       `json:"schema"`
			Path   report.Bytes `json:"path"`
			Digest string       `json:"digest"`
			Keys   report.Int   `json:"keys"`
		}{report.Schema, report.Bytes(path), d.String(), report.Int(w.taken)}
		if werr := json.NewEncoder(e.stdout).Encode(doc); werr != nil {
			return output(werr)
		}
	} else if _, werr := fmt.Fprintln(e.stdout, d.String()); werr != nil {
		return output(werr)
	}
	return err
}

// digestKeys prints a line for each key.
func digestKeys(ctx context.Context, w *walk, dialect rdb.DigestDialect, asJSON bool) error {
	const full = 64 << 10
	var line []byte
	out := &outputWriter{w.env.stdout}
	err := w.run(ctx, func(e *rdb.Entry) error {
		sum, _, err := rdb.DigestValue(e, dialect)
		if err != nil {
			return err
		}
		line = appendDigest(line, e, sum, asJSON)
		if len(line) < full {
			return nil
		}
		return flush(out, &line)
	})
	if ferr := flush(out, &line); ferr != nil {
		return ferr
	}
	return err
}

func flush(out io.Writer, line *[]byte) error {
	_, err := out.Write(*line)
	*line = (*line)[:0]
	return err
}

// appendDigest appends the line of a key.
func appendDigest(b []byte, e *rdb.Entry, sum rdb.Sum, asJSON bool) []byte {
	if !asJSON {
		b = append(b, sum.String()...)
		b = jsonl.AppendUint(append(b, ' '), e.DB)
		return append(jsonl.AppendBytes(append(b, ' '), e.Key), '\n')
	}
	b = append(append(b, `{"digest":"`...), sum.String()...)
	b = jsonl.AppendUint(append(b, `","db":`...), e.DB)
	b = jsonl.AppendBytes(append(b, `,"key":`...), e.Key)
	return append(b, '}', '\n')
}
