package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"warble/dev/local/keep"
)

// openKept takes the folder that outlives a run, which WARBLE_DATA may name, and tells
// of it for the banner. The second of two runs keeps nothing: its folder is nil.
func openKept(root string) (folder *keep.Folder, what string, err error) {
	path := cmp.Or(os.Getenv("WARBLE_DATA"), filepath.Join(root, "dev/.cache/data"))
	folder, err = keep.Open(path, os.Getenv("FRESH") != "", os.Stderr)
	if err != nil {
		return nil, "", fmt.Errorf("keep what is written: %w", err)
	}
	if folder == nil {
		return nil, "nothing is kept: another run has " + path, nil
	}
	return folder, "kept in " + path + "; make run FRESH=1 begins anew", nil
}

// followSchema brings kept posts to a schema.sql that is another than theirs, as make
// push does: it asks before anything is lost. Unless that is confirmed, the table stays
// as it is, and the next run asks again.
func followSchema(ctx context.Context, root, databaseURL string, schema []byte, folder *keep.Folder, found bool) error {
	if folder == nil {
		return nil
	}
	if known, _ := os.ReadFile(folder.Path("schema.sql")); found && !bytes.Equal(known, schema) {
		fmt.Println("schema.sql has changed since the posts were kept. make push brings them to it:")
		push := exec.CommandContext(ctx, "sh", filepath.Join(root, "dev/run/start.sh"), "push")
		push.Stdin, push.Stdout, push.Stderr = os.Stdin, os.Stdout, os.Stderr
		push.Env = append(os.Environ(), "DATABASE_URL="+databaseURL, "CHECK=")
		if err := push.Run(); err != nil {
			fmt.Printf("The kept posts stay as they were. In another terminal: DATABASE_URL=%s make push\nmake run FRESH=1 begins without them.\n", databaseURL)
			return nil
		}
	}
	return folder.Write("schema.sql", schema)
}
