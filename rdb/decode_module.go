package rdb

import (
	"encoding/binary"
	"math"
)

// module walks a module's value:
//
//	len id, then items
//
// A module item is a len that is its opcode and what that says; the opcode 0 ends them:
//
//	1, 2 len    3 f32le    4 f64le    5 str
func (d *decoder) module() error {
	d.item = "module id"
	id, err := d.number()
	if err != nil {
		return err
	}
	if id == 0 {
		d.fault(CodeModuleID, nil, "")
	}
	d.el.Kind, d.el.ModuleID = ElementModuleID, ModuleID(id)
	d.moduleName = ModuleID(id).Name()
	d.emit()
	d.beginVectors(ModuleID(id))
	if err = d.moduleItems(); err == nil {
		err = d.endVectors()
	}
	d.vectors.on = false
	return err
}

// moduleItems walks items up to their end.
func (d *decoder) moduleItems() error {
	unknown := false
	for {
		d.item = "module opcode"
		op, err := d.number() // 2^64-1 is an opcode like others
		switch {
		case err != nil || op == moduleEOF:
			return err
		case op > moduleString:
			// The checkers take the opcode for one without anything behind it; whatever is right, the module would refuse.
			if !unknown {
				d.fault(CodeModuleOpcode, nil, "%d", op)
			}
			unknown, d.vectors.on = true, false
			continue
		}
		if err := d.moduleItem(ModuleItemKind(op)); err != nil {
			return err
		}
	}
}

func (d *decoder) moduleItem(kind ModuleItemKind) (err error) {
	item := ModuleItem{Kind: kind}
	d.item = moduleItemNames[kind]
	switch kind {
	case ModuleSInt, ModuleUInt:
		item.Int, err = d.number()
	case ModuleFloat:
		var p []byte
		if p, err = d.s.take(4); err == nil {
			item.Int = uint64(binary.LittleEndian.Uint32(p))
			item.Float = float64(math.Float32frombits(uint32(item.Int)))
		}
	case ModuleDouble:
		if item.Int, err = d.s.uint64(); err == nil {
			item.Float = math.Float64frombits(item.Int)
		}
	case ModuleString:
		return d.moduleString(item)
	}
	if err != nil || d.mode == modeFrame {
		return err
	}
	if d.vectors.on {
		d.vectorItem(kind, item.Int)
	}
	if d.mode == modeEmit {
		d.el.Kind, d.el.Module = ElementModuleItem, item
		d.emit()
	}
	return nil
}

func (d *decoder) moduleString(item ModuleItem) (err error) {
	switch d.mode {
	case modeFrame:
		return d.skipStr()
	case modeCheck:
		size, err := d.checkStrLen()
		if err == nil && d.vectors.on {
			d.vectorItem(ModuleString, size)
		}
		return err
	}
	d.begin()
	defer d.end()
	if item.String, err = d.str(); err == nil {
		if item.String == nil { // which was told
			d.vectors.on = false
		} else if d.vectors.on {
			d.vectorItem(ModuleString, uint64(len(item.String)))
		}
		d.el.Kind, d.el.Module = ElementModuleItem, item
		d.emit()
	}
	return err
}

var moduleItemNames = [...]string{
	ModuleSInt:   "module integer",
	ModuleUInt:   "module integer",
	ModuleFloat:  "module float",
	ModuleDouble: "module double",
	ModuleString: "module string",
}

// maxMetaClasses is how many classes of metadata a server takes on one key (Redis 8.6).
const maxMetaClasses = 7

// keyMeta reads the metadata of the key to come:
//
//	len classes, then for each: u32le class, module items
func (d *decoder) keyMeta() error {
	n, err := d.count()
	if err == nil && n > maxMetaClasses {
		d.fault(CodeMetaClasses, nil, "%d", n)
	}
	for ; err == nil && n > 0; n-- {
		err = d.metaClass()
	}
	return err
}

func (d *decoder) metaClass() error {
	d.item = "metadata class"
	p, err := d.s.take(4)
	if err != nil {
		return err
	}
	class := MetaClass(binary.LittleEndian.Uint32(p))
	d.moduleName = "metadata" // as the checkers call it
	if !class.Ignorable() {
		d.fault(CodeMetaClass, nil, "class %s", class.Name())
	}
	if d.mode != modeEmit {
		return d.moduleItems()
	}
	d.meta = append(d.meta, KeyMeta{Class: class})
	last := &d.meta[len(d.meta)-1]
	d.yield = func(el *Element) bool {
		last.Items = append(last.Items, el.Module.clone())
		return true
	}
	return d.moduleItems()
}
