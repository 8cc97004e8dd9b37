package artifact_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
)

// maxWeight is what the page may weigh with its style and all its modules, gzipped, in
// bytes: what it weighs, and a little. Links, drafts of edits and the feed's state came
// after it weighed 16.8 KiB.
const maxWeight = 77 << 8 // 19.25 KiB

// Otherwise visitors wait for what only those who edit the page need, or the modules
// lack what somebody needs who is sent an error by a visitor.
func TestThePageIsBundled(t *testing.T) {
	o := artifact.Build(t)
	weight := 0
	read := func(path string) string {
		t.Helper()
		content, err := os.ReadFile(filepath.Join(o.Static, path))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(path, ".map") {
			var zipped bytes.Buffer
			w, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
			w.Write(content)
			w.Close()
			weight += zipped.Len()
			fmt.Printf("artifact: %6d bytes, %5d gzipped: %s\n", len(content), zipped.Len(), filepath.Base(path))
		}
		return string(content)
	}

	page := read("index.html")
	if strings.Contains(page, "<!--") || !strings.Contains(page, "<style>") || !strings.Contains(page, `content="https://warble.example/og.png"`) {
		t.Errorf("index.html has comments, no style, or no whole address of its picture:\n%.2000s", page)
	}
	modules := files(t, o.Static, func(path string) bool { return strings.HasPrefix(path, "js/") && strings.HasSuffix(path, ".js") })
	if len(modules) != 2 {
		t.Fatalf("modules %q; want one for the first posts, and one for what needs a person: `vercel build` says why it could not bundle them", modules)
	}
	preloads := regexp.MustCompile(`modulepreload"? href="([^"]+)"`)
	if first := preloads.FindAllStringSubmatch(page, -1); len(first) != 1 || first[0][1] != modules[0] || filepath.Base(modules[0]) != "chunk.js" {
		t.Errorf("the page begins with %q of the modules %q; want chunk.js", first, modules)
	}
	for i, module := range modules {
		if text := read(module); strings.Contains(text, artifact.PublishableKey) != (i == 1) {
			t.Errorf("%s and the publishable key: the module that needs a person has the configuration in it, and no other", module)
		}
		var sourceMap struct{ Sources, SourcesContent []string }
		if err := json.Unmarshal([]byte(read(module+".map")), &sourceMap); err != nil || len(sourceMap.SourcesContent) == 0 {
			t.Fatalf("%s.map has %d texts, %v", module, len(sourceMap.SourcesContent), err)
		}
		source, err := os.ReadFile(filepath.Join(testkit.Root(), "public/index.html"))
		if err != nil {
			t.Fatal(err)
		}
		for _, needed := range preloads.FindAllSubmatch(source, -1) {
			if name := filepath.Base(string(needed[1])); slices.Contains(sourceMap.Sources, "../"+name) != (i == 0) {
				t.Errorf("%s has the sources %q; %s belongs in chunk.js", module, sourceMap.Sources, name)
			}
		}
	}
	fmt.Printf("artifact: the page weighs %d bytes gzipped, of %d\n", weight, maxWeight)
	if weight > maxWeight {
		t.Errorf("the page weighs %d bytes gzipped; want at most %d", weight, maxWeight)
	}
}
