// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// What Documentation/livepatch/module-elf-format.rst of the kernel has names for. No tool of
// the kernel's sets them before Linux 6.19, and the assembler cannot.
const (
	symbolPrefix   = ".klp.sym."
	relocsPrefix   = ".klp.rela."
	shnLivepatch   = 0xff20
	shfRelaLive    = 0x00100000
	sizeofSymbol   = 24
	sizeofSection  = 64
	sizeofRela     = 24
	sectionHeaders = 40 // where an ELF header says where the section headers are
)

// mark tells the kernel which symbols of a module it shall resolve by itself: those whose names
// begin with .klp.sym. It changes the module in place. A relocation against such a symbol
// which the kernel would apply too early, to address 0, is an error.
//
// The relocation sections get their names without a new table of strings: ours are called
// .rela.ovz.klp.rela.vmlinux.NAME, which ends in the name that the kernel wants.
func mark(module []byte) error {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return fmt.Errorf("read the module: %w", err)
	}
	if f.Class != elf.ELFCLASS64 || f.Machine != elf.EM_X86_64 || f.Type != elf.ET_REL {
		return errors.New("read the module: it is not a relocatable file for x86_64")
	}
	table := f.SectionByType(elf.SHT_SYMTAB)
	if table == nil {
		return errors.New("read the module: it has no symbols")
	}
	// Entry 0 is no symbol, and Symbols leaves it out.
	symbols, err := f.Symbols()
	if err != nil {
		return fmt.Errorf("read the module's symbols: %w", err)
	}
	live := map[uint32]string{} // by its number
	for i, s := range symbols {
		if strings.HasPrefix(s.Name, symbolPrefix) {
			live[uint32(i+1)] = s.Name
			at := table.Offset + uint64(i+1)*sizeofSymbol
			binary.LittleEndian.PutUint16(module[at+6:], shnLivepatch)
		}
	}
	used := 0
	headers := binary.LittleEndian.Uint64(module[sectionHeaders:])
	for i, s := range f.Sections {
		if s.Type != elf.SHT_RELA {
			continue
		}
		from := strings.Index(s.Name, relocsPrefix)
		if from >= 0 {
			header := module[headers+uint64(i)*sizeofSection:]
			binary.LittleEndian.PutUint32(header, binary.LittleEndian.Uint32(header)+uint32(from))
			flags := binary.LittleEndian.Uint64(header[8:]) | shfRelaLive | uint64(elf.SHF_ALLOC)
			binary.LittleEndian.PutUint64(header[8:], flags)
		}
		relocs, err := s.Data()
		if err != nil {
			return fmt.Errorf("read the module's %s: %w", s.Name, err)
		}
		for ; len(relocs) >= sizeofRela; relocs = relocs[sizeofRela:] {
			name, isLive := live[binary.LittleEndian.Uint32(relocs[12:])]
			if isLive != (from >= 0) {
				return fmt.Errorf("section %s: its relocation against %q is not the kind that its name says: another compiler or assembler may be the reason; see docs/livepatch.md", s.Name, name)
			}
			if isLive {
				used++
			}
		}
	}
	if used == 0 {
		return errors.New("the module refers to nothing of the kernel in a livepatch's way")
	}
	return nil
}

// compilers returns what compiled the parts of a module, as they say themselves.
func compilers(module []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, fmt.Errorf("read the module: %w", err)
	}
	s := f.Section(".comment")
	if s == nil {
		return nil, nil
	}
	data, err := s.Data()
	if err != nil {
		return nil, fmt.Errorf("read the module's compiler: %w", err)
	}
	var names []string
	for name := range strings.SplitSeq(string(data), "\x00") {
		if name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}
