//go:build !linux

package filemap

import (
	"errors"
	"os"
)

func mapFile(*os.File, int64, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func release([]byte) {}

func unmap([]byte) {}
