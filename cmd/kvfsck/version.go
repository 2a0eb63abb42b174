package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/internal/version"
	"github.com/kvfsck/kvfsck/rdb"
)

func newVersion(e *env) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version and what it reads",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return output(json.NewEncoder(e.stdout).Encode(struct {
					Schema  string `json:"schema"`
					Version string `json:"version"`
					Go      string `json:"go"`
				}{report.Schema, version.String(), runtime.Version()}))
			}
			_, err := fmt.Fprintf(e.stdout, "kvfsck %s (%s %s/%s)\nreads RDB versions %d to %d of Redis, and %d to %d of Valkey\n",
				version.String(), runtime.Version(), runtime.GOOS, runtime.GOARCH,
				rdb.MinVersion, rdb.MaxRedisVersion, rdb.MinValkeyVersion, rdb.MaxValkeyVersion)
			return output(err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document")
	return cmd
}

// output makes an operational error of one of the standard output.
func output(err error) error {
	var op operational
	if err == nil || errors.As(err, &op) {
		return err
	}
	return operational{fmt.Errorf("writing the output: %w", err)}
}
