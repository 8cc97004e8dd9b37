package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"warble/dev/local/keep"
)

// kept is the folder that outlives a run: the embedded database and the local Clerk
// write their files there.
type kept struct {
	folder string
	lock   *os.File // nil when another run has the folder
}

// openKept takes the folder, which WARBLE_DATA may name. With FRESH set it removes what
// is kept. The second of two runs keeps nothing.
func openKept(root string) (k kept, err error) {
	k.folder = os.Getenv("WARBLE_DATA")
	if k.folder == "" {
		k.folder = filepath.Join(root, "dev/.cache/data")
	}
	if k.lock, err = keep.Lock(k.folder); err != nil {
		return k, fmt.Errorf("keep what is written: %w", err)
	}
	if k.lock != nil && os.Getenv("FRESH") != "" {
		for _, name := range []string{"posts.sql", "people.json"} {
			if err := os.RemoveAll(k.file(name)); err != nil {
				return k, fmt.Errorf("begin anew: %w", err)
			}
		}
	}
	return k, nil
}

// file is where a file is kept, or "".
func (k kept) file(name string) string {
	if k.lock == nil {
		return ""
	}
	return filepath.Join(k.folder, name)
}

// what tells of the folder in the banner.
func (k kept) what(root string) string {
	name := k.folder
	if inside, err := filepath.Rel(root, name); err == nil && filepath.IsLocal(inside) {
		name = inside
	}
	if k.lock == nil {
		return "nothing is kept: another run has " + name
	}
	return "kept in " + name + "; make run FRESH=1 begins anew"
}

// followSchema brings kept posts to a schema.sql that has changed, as make push does:
// it asks before anything is lost. Unless that is confirmed, the table stays as it is.
func followSchema(ctx context.Context, root, databaseURL string) {
	fmt.Println("schema.sql has changed since the posts were kept. make push brings them to it:")
	push := exec.CommandContext(ctx, "sh", filepath.Join(root, "dev/run/start.sh"), "push")
	push.Stdin, push.Stdout, push.Stderr = os.Stdin, os.Stdout, os.Stderr
	push.Env = append(os.Environ(), "DATABASE_URL="+databaseURL, "CHECK=")
	if err := push.Run(); err != nil {
		fmt.Printf("The kept posts stay as they were. In another terminal: DATABASE_URL=%s make push\nmake run FRESH=1 begins without them.\n", databaseURL)
	}
}
