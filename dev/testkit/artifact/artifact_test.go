package artifact

import (
	"os"
	"path/filepath"
	"testing"
)

// Tests of a deployment would test the one before the change.
func TestAChangedSourceIsBuiltAnew(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	if err := copySources(tree); err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{} // by name, what was changed then
	for _, change := range []string{"nothing", "api/posts/list.go", "lib/post/post.go", "public/index.html", "vercel.json", "go.mod", "go.sum", "public/new.txt"} {
		if change != "nothing" {
			file, err := os.OpenFile(filepath.Join(tree, change), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			file.WriteString("\n")
			file.Close()
		}
		name, err := keptAs("", tree)
		again, _ := keptAs("", tree)
		if before, ok := kept[name]; ok || err != nil || again != name {
			t.Errorf("a change of %s is kept as %s and %s, as that of %s before: %v", change, name, again, before, err)
		}
		kept[name] = change
	}
}
