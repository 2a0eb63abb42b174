package oracle

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The names that every release has in its bin folder; those of Valkey carry them too.
const (
	RedisServer   = "redis-server"
	RedisCLI      = "redis-cli"
	RedisCheckRDB = "redis-check-rdb"
	RedisCheckAOF = "redis-check-aof"
)

// The newest releases, as FindNewest and the corpus name them.
const (
	Redis86  = "redis-8.6"
	Redis80  = "redis-8.0"
	Valkey91 = "valkey-9.1"
)

const (
	// RequireEnv set to 1 turns the skip of Find into a failure.
	RequireEnv = "KVFSCK_REQUIRE_ORACLES"
	// FolderEnv names the folder of the newest releases.
	FolderEnv = "KVFSCK_ORACLES"
)

// Find returns the absolute path of Debian's program of that name (RedisServer, RedisCLI,
// RedisCheckRDB or RedisCheckAOF) and skips t where PATH has none, or fails it when oracles are required.
func Find(t testing.TB, name string) string {
	t.Helper()
	path, err := lookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv(RequireEnv) == "1" {
		t.Fatalf("%s is required (%s=1) and not on PATH: %v", name, RequireEnv, err)
	}
	t.Skipf("skipped: %s is not on PATH", name)
	return ""
}

// Installed says whether Find would find that program, for tests with a smaller part that
// can do without it.
func Installed(name string) bool {
	_, err := lookPath(name)
	return err == nil
}

func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// FindNewest returns the absolute path of a program of one of the newest releases
// (Redis86, Redis80 or Valkey91) and skips t where it is missing.
func FindNewest(t testing.TB, release, name string) string {
	t.Helper()
	path, err := newest(release, name)
	if err != nil {
		t.Skipf("skipped: no %s of %s (set %s to the folder of the releases)", name, release, FolderEnv)
	}
	return path
}

// HasNewest says whether FindNewest would find that program.
func HasNewest(release, name string) bool {
	_, err := newest(release, name)
	return err == nil
}

func newest(release, name string) (string, error) {
	folder := os.Getenv(FolderEnv)
	if folder == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		folder = filepath.Join(home, ".cache", "kv-oracles")
	}
	return lookPath(filepath.Join(folder, release, "bin", name))
}

// Version is the release of a server.
type Version struct {
	Valkey       bool
	Major, Minor int
}

// AtLeast compares with a release of Redis; a Valkey is at least a Redis 7.2, which it
// was forked from.
func (v Version) AtLeast(major, minor int) bool {
	if v.Valkey {
		v.Major, v.Minor = 7, 2
	}
	return v.Major > major || v.Major == major && v.Minor >= minor
}

var versions sync.Map // path of a server -> Version

// VersionOf asks a server's binary for its release.
func VersionOf(t testing.TB, server string) Version {
	t.Helper()
	if v, ok := versions.Load(server); ok {
		return v.(Version)
	}
	out, err := exec.Command(server, "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("%s --version: %v\n%s", server, err, out)
	}
	v, err := parseVersion(string(out))
	if err != nil {
		t.Fatalf("%s --version: %v", server, err)
	}
	versions.Store(server, v)
	return v
}

// parseVersion reads "Redis server v=7.0.15 sha=..." and "Valkey server v=9.1.2 sha=...".
func parseVersion(out string) (v Version, err error) {
	_, number, ok := strings.Cut(out, " v=")
	parts := strings.SplitN(number, ".", 3)
	if !ok || len(parts) < 3 {
		return v, fmt.Errorf("not a version: %q", out)
	}
	v.Valkey = strings.HasPrefix(out, "Valkey")
	if v.Major, err = strconv.Atoi(parts[0]); err != nil {
		return v, err
	}
	v.Minor, err = strconv.Atoi(parts[1])
	return v, err
}
