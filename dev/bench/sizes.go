//go:build linux

package main

import (
	"cmp"
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// measureSizes weighs the binaries, and what is in one.
func measureSizes(w *world, b *bars) ([]section, error) {
	binaries := section{title: "Binaries", rows: [][]string{{"function", "bytes", "over the floor's"}}}
	base, err := os.Stat(w.floor)
	if err != nil {
		return nil, err
	}
	most := int64(0)
	for _, path := range slices.Sorted(maps.Keys(w.output.Functions)) {
		info, err := os.Stat(w.output.Functions[path])
		if err != nil {
			return nil, err
		}
		most = max(most, info.Size())
		binaries.row(path, grouped(int(info.Size())), number(float64(info.Size())/float64(base.Size())))
	}
	binaries.row("floor", grouped(int(base.Size())), "1")
	b.add("a function's binary", float64(most)/1e6, 10, " MB")

	ours, err := w.weigh("ours", w.output.Tree, "warble/api/posts", "posts.List")
	if err != nil {
		return nil, err
	}
	theirs, err := w.weigh("theirs", devModule(), "warble/dev/bench/floor", "floor.List")
	if err != nil {
		return nil, err
	}
	parts := section{
		title: "What is in function list",
		note:  "Bytes of code and data by the symbols of an unstripped build; the line tables that a binary has besides grow with them, by about half as much again.",
		rows:  [][]string{{"module", "bytes", "floor's", "difference"}},
	}
	names := slices.Sorted(maps.Keys(ours))
	slices.SortStableFunc(names, func(x, y string) int { return cmp.Compare(ours[y]-theirs[y], ours[x]-theirs[x]) })
	for _, name := range names {
		parts.row(name, grouped(ours[name]), grouped(theirs[name]), grouped(ours[name]-theirs[name]))
	}
	return []section{binaries, parts}, nil
}

// weigh builds a handler as the builder does, but with its symbols, and sums
// those by module.
func (w *world) weigh(name, module, pkg, handler string) (map[string]int, error) {
	dir, err := os.MkdirTemp(module, "_bench-") // a name that ./... leaves out
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source := fmt.Sprintf("package main\n\nimport (\n\t\"net/http\"\n\n\t\"github.com/vercel/go-bridge/go/bridge\"\n\n\t%q\n)\n\nfunc main() { bridge.Start(http.HandlerFunc(%s)) }\n", pkg, handler)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		return nil, err
	}
	binary := filepath.Join(w.dir, name)
	if err := w.build(binary, module, "./"+filepath.Base(dir)); err != nil {
		return nil, err
	}
	file, err := elf.Open(binary)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		return nil, fmt.Errorf("read the symbols of %s: %w", pkg, err)
	}
	sums := map[string]int{}
	for _, symbol := range symbols {
		// Others are undefined, or memory that a binary only asks for.
		if i := int(symbol.Section); i > 0 && i < len(file.Sections) && file.Sections[i].Type != elf.SHT_NOBITS {
			sums[moduleOf(symbol.Name)] += int(symbol.Size)
		}
	}
	return sums, nil
}

// modules are those that a function is made of, by the beginning of a symbol.
var modules = []struct{ prefix, name string }{
	{"warble/", "Warble"}, {"github.com/clerk/", "clerk-sdk-go"}, {"github.com/go-jose/", "go-jose"},
	{"github.com/jmoiron/", "sqlx"}, {"github.com/go-sql-driver/", "go-sql-driver"}, {"filippo.io/", "go-sql-driver"},
	{"github.com/vercel/", "go-bridge, aws-lambda-go"}, {"github.com/aws/", "go-bridge, aws-lambda-go"}, {"golang.org/x/crypto", "golang.org/x/crypto"},
	{"crypto/", "Go: crypto"}, {"vendor/golang.org/x/crypto", "Go: crypto"}, {"net/http", "Go: net"}, {"net", "Go: net"}, {"vendor/golang.org/x/net", "Go: net"},
	{"database/", "Go: database/sql"}, {"encoding/", "Go: encoding"}, {"regexp", "Go: regexp"}, {"unicode", "Go: unicode"},
	{"runtime", "Go: runtime"}, {"internal/", "Go: runtime"},
}

func moduleOf(symbol string) string {
	symbol = strings.TrimLeft(strings.TrimPrefix(symbol, "type:."), "*") // equality and hash functions
	for _, m := range modules {
		if strings.HasPrefix(symbol, m.prefix) {
			return m.name
		}
	}
	return "Go: the rest, and types"
}
