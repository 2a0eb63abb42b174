package rdb

import (
	"encoding/binary"
	"slices"

	"github.com/kvfsck/kvfsck/internal/dupset"
)

// Limits of the server.
const (
	maxVectorDim   = 65536
	maxVectorForm  = vectorBits
	maxNodeVersion = 1
	maxNodeLinks   = 16384
)

// vectorCheck checks what a server checks of a vector set when it loads it: the layout, the sizes, and the graph. An element is a node of that, in
// layers from 0 up to its own level, and its parameters are:
//
//	id, level | version<<24, for each layer: number of links, room for links, the ids linked, [version 1: place of the worst link and its distance],
//	lengths of the vector
//
// More may follow them, which nobody looks at. A link joins two nodes in a layer, both tell of it, none is linked with itself, and none twice with the
// same. (Redis 8.6 hnsw.c, hnsw_insert_serialized and hnsw_deserialize_index)
//
// That every link is told from both ends is proven as the server does it, within constant memory: the keyed fingerprints of all that is told, of both
// ids and the layer, cancel each other out by exclusive or. Where no two nodes share an id, and none tells of a link twice, only the other end can have told the
// same; so that exists then, and has the layer. Beside that there are the links of one layer of one node, 128 KiB at most, and the ids, of which the
// decoder's dupset takes as many into its memory as it may, and the rest to a file of 24 bytes a node.
//
// Servers up to Redis 8.6 do not look at whether ids differ. The first fault of a set that they mind ends the check of it.
type vectorCheck struct {
	vectorLayout
	on bool

	place  paramPlace // of the parameter to come
	id     uint64     // of the current node
	level  uint64
	worst  bool // the version has a worst link
	layer  uint64
	number uint64 // of the layer's links
	links  []uint64
	told   dupset.Sum // of all links
	lastID uint64     // the greatest so far
	oddIDs bool       // that some are was reported
	text   [17]byte   // of an id, or of a link: the lesser id, the greater, the layer
}

// paramPlace is a place among the parameters of a node.
type paramPlace uint8

const (
	paramID paramPlace = iota
	paramLevel
	paramNumber
	paramRoom
	paramLink
	paramWorst
	paramLengths
	paramRest
)

// beginVectors makes ready for the items of a module of a type, if they are those of a vector set.
func (d *decoder) beginVectors(id ModuleID) {
	v := &d.vectors
	if v.on = d.mode != modeFrame && builtIn(d.family, id); !v.on {
		return
	}
	if id.Version() != 0 {
		d.vectorFault(CodeVectorForm, "version %d of the encoding", id.Version())
		return
	}
	*v = vectorCheck{on: true, links: v.links[:0]}
	d.newDups()
}

// vectorFault reports what a server does not load, and ends the check.
func (d *decoder) vectorFault(code Code, detail string, args ...any) {
	d.vectors.on = false
	d.fault(code, nil, detail, args...)
}

// vectorItem checks an item of a vector set: n is the number, or the size of the string.
func (d *decoder) vectorItem(kind ModuleItemKind, n uint64) {
	v := &d.vectors
	switch v.take(kind, n) {
	case vectorDim:
		if v.dim == 0 || v.dim > maxVectorDim {
			d.vectorFault(CodeVectorForm, "dimension %d", v.dim)
		}
	case vectorConfig:
		if v.form() > maxVectorForm {
			d.vectorFault(CodeVectorForm, "quantisation %d", v.form())
		}
	case vectorInput:
		if v.input < v.dim || v.input > maxVectorDim {
			d.vectorFault(CodeVectorForm, "projection of dimension %d to %d", v.input, v.dim)
		}
	case vectorProjection:
		if n != v.projectionSize() {
			d.vectorFault(CodeVectorForm, "projection of %d bytes instead of %d", n, v.projectionSize())
		}
	case vectorVector:
		if n != v.vectorSize() {
			d.vectorFault(CodeVectorSize, "%d bytes instead of %d", n, v.vectorSize())
		}
	case vectorParams:
		if v.place = paramID; v.params == 0 {
			d.vectorNodeEnd()
		}
	case vectorParam:
		if d.vectorParam(n); v.on && v.params == 0 {
			d.vectorNodeEnd()
		}
	case vectorBad:
		d.vectorFault(CodeVectorLayout, "")
	}
	if v.on && v.next == vectorDone && v.told != (dupset.Sum{}) {
		d.vectorFault(CodeVectorLinks, "one that the node at its other end does not tell of")
	}
}

// vectorParam checks a parameter of a node.
func (d *decoder) vectorParam(n uint64) {
	v := &d.vectors
	switch v.place {
	case paramID:
		d.vectorID(n)
	case paramLevel:
		version := n >> 24 & 0xFF
		if v.level, v.layer, v.worst = n&0xFF, 0, version > 0; version > maxNodeVersion {
			d.vectorFault(CodeVectorNode, "version %d", version)
		}
	case paramNumber:
		v.number, v.links = uint64(uint32(n)), v.links[:0]
	case paramRoom:
		if room := uint64(uint32(n)); v.number > room || room > maxNodeLinks {
			d.vectorFault(CodeVectorNode, "%d links where there is room for %d", v.number, room)
		} else if v.number == 0 {
			v.place++ // behind what are no links
		}
	case paramLink:
		if d.vectorLink(n); uint64(len(v.links)) < v.number {
			return
		}
		slices.Sort(v.links)
		if len(slices.Compact(v.links)) < len(v.links) {
			d.vectorFault(CodeVectorLinks, "a node with another, twice")
		}
	case paramWorst:
		if v.number > 0 && uint64(uint32(n)) >= v.number {
			d.vectorFault(CodeVectorNode, "link %d is the worst of %d", uint32(n), v.number)
		}
	case paramRest:
		return
	}
	v.place++
	if v.place == paramWorst && !v.worst {
		v.place++
	}
	if v.place == paramLengths && v.layer < v.level {
		v.place, v.layer = paramNumber, v.layer+1
	}
}

// vectorID takes the id of a node. Where that is 0 the server gives it one of its own.
func (d *decoder) vectorID(id uint64) {
	v := &d.vectors
	stored := id
	if id == 0 {
		id = v.lastID + 1
	}
	v.id, v.lastID = id, max(v.lastID, id)
	binary.LittleEndian.PutUint64(v.text[:], id)
	if dup := d.seen(d.seed.Sum(v.text[:8])); (dup || stored == 0) && !v.oddIDs {
		v.oddIDs = true
		d.fault(CodeVectorNodeID, nil, "%d", stored)
	}
}

// vectorLink takes a link of the current node.
func (d *decoder) vectorLink(to uint64) {
	v := &d.vectors
	if to == v.id {
		d.vectorFault(CodeVectorLinks, "node %d with itself", to)
	}
	v.links = append(v.links, to)
	binary.LittleEndian.PutUint64(v.text[:], min(v.id, to))
	binary.LittleEndian.PutUint64(v.text[8:], max(v.id, to))
	v.text[16] = byte(v.layer)
	sum := d.seed.Sum(v.text[:])
	v.told.Hi ^= sum.Hi
	v.told.Lo ^= sum.Lo
}

// vectorNodeEnd is called where a node has no more parameters.
func (d *decoder) vectorNodeEnd() {
	if d.vectors.place != paramRest {
		d.vectorFault(CodeVectorNode, "too few parameters")
	}
}

// endVectors is called where a module's value ends.
func (d *decoder) endVectors() error {
	v := &d.vectors
	if !v.on || d.mode == modeFrame {
		return nil
	}
	if v.next != vectorDone {
		d.vectorFault(CodeVectorLayout, "it ends too early")
		return nil
	}
	if v.on = false; v.oddIDs {
		return nil
	}
	return d.lateDups(CodeVectorNodeID)
}
