// Package jsonl writes the keys of an RDB, and the commands of an append-only file, as JSON Lines, losing nothing: one object a key, in file order.
//
//	{"db":0,"key":"k","type":"hash","encoding":"listpack","expire_at_ms":null,"idle_s":null,"freq":null,"value":[["f","v"]]}
//
// Commands of an append-only file are a line each, "file" being there only if there are several:
//
//	{"db":0,"file":"appendonly.aof.1.incr.aof","offset":123,"args":["SET","k","v"]}
//
// # Scalars
//
// A byte string that is valid UTF-8 is a JSON string, any other is {"b64":"..."}. A whole number is a JSON number as long as a
// double holds it (up to 2^53 either way), and a string of its digits beyond. Times are milliseconds since 1970 and ids of stream
// entries "ms-seq". A score is a string: the shortest decimal that reads back as the same double, without an exponent from 1e-6
// to 1e21; "inf", "-inf", and "-0" apart from "0".
//
// # Values
//
//	string   byte string
//	list     [item, ...], head first
//	set      [member, ...]
//	zset     [[member, score], ...]
//	hash     [[field, value], ...], or [field, value, time] where the field expires
//	stream   {"entries":[[id,[[field,value],...]],...],"length":n,"last_id":id,"first_id":id,"max_deleted_id":id,
//	          "entries_added":n,"groups":[...]} and "idmp" where the file has it
//	module   {"module":name,"version":n,"items":[{"uint":n}|{"sint":n}|{"float":f}|{"double":f}|{"string":s},...]}
//
// A group is {"name","last_id","entries_read","pending":[[id,consumer,delivery_ms,count],...],"consumers":[{"name","seen_ms",
// "active_ms"},...]}, its pending entries in order of their ids; entries_read is null where it is unknown. The file's pending
// entries given back by their consumer (Redis 8.8) have null for it, and their ids stand in "nacked" too. "idmp" is
// {"duration_s","max_entries","producers":[{"id","entries":[[iid,id],...]},...],"added","duplicates"}. Floats of modules are strings
// like scores; a NaN is "nan:" and its bits in hexadecimal, so that none is lost.
//
// Elements stand in the order of the file, which for sets and hashes means nothing, and for sorted sets is either direction.
// A key with metadata of modules (Redis 8.6) has before its value "meta":[{"class","version","flags","items":[...]},...].
//
// # Encodings
//
// "encoding" is how the value lies in the file, in the words of OBJECT ENCODING where it has one. Strings are what a server makes
// of them: "int" for the canonical decimal of a 64-bit integer, "embstr" up to 44 bytes, "raw" beyond. A list is a "quicklist"
// although servers since 7.2 may answer "listpack" for a short one: the file does not tell them apart.
package jsonl
