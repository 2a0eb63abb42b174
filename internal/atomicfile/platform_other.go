//go:build !unix

package atomicfile

import (
	"io/fs"
	"os"
)

// own does nothing: the platform gives new files the owner and the rights of their folder.
func own(*os.File, fs.FileInfo) (groupKept bool) { return true }

// syncDir does nothing: Windows cannot fsync a folder, and journals its renames.
func syncDir(string) error { return nil }
