// Package oracle runs real servers and checkers in tests.
//
// What a Redis or Valkey file means is what the servers make of it, so the tests of this
// module ask them. Two kinds of program are known:
//
//   - Debian's redis-server, redis-cli, redis-check-rdb and redis-check-aof, found on PATH
//     with [Find]. A test that needs a missing one is skipped, unless
//     KVFSCK_REQUIRE_ORACLES=1 makes that a failure, as the script of CI does.
//   - The newest releases, in one sub-folder each (redis-8.6/bin/redis-server, ...) of the
//     folder that KVFSCK_ORACLES names, by default ~/.cache/kv-oracles, found with
//     [FindNewest]. These are always optional.
//
// A server on a file, and a question to it:
//
//	got := oracle.LoadRDB(t, oracle.Find(t, oracle.RedisServer), rdb, oracle.LoadOptions{})
//	if !got.OK {
//		t.Fatalf("refused:\n%s", got.Log)
//	}
//	digest, err := got.Server.Digest()
//
// Hundreds of files cost few processes with a [Loader]. Every server listens on
// 127.0.0.1 only, writes nothing on its own, and dies with its test.
package oracle
