package artifact

import (
	"os"
	"path/filepath"
	"testing"
)

// Tests of a deployment would test the one before the change.
func TestAChangedSourceIsBuiltAnew(t *testing.T) {
	kept := func(change string) string {
		t.Helper()
		tree := filepath.Join(t.TempDir(), "tree")
		if err := copySources(tree); err != nil {
			t.Fatal(err)
		}
		if change != "" {
			file, err := os.OpenFile(filepath.Join(tree, change), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			file.WriteString("\n")
			file.Close()
		}
		name, err := keptAs("", tree)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	unchanged := kept("")
	if again := kept(""); again != unchanged {
		t.Errorf("the same sources are kept as %s and %s", unchanged, again)
	}
	for _, change := range []string{"api/posts/list.go", "lib/post/post.go", "public/index.html", "vercel.json", "go.mod", "go.sum", "public/new.txt"} {
		if kept(change) == unchanged {
			t.Errorf("a change of %s is not built", change)
		}
	}
}
