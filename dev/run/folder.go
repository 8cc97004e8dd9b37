package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// pause is how long a change waits for others, to be written with them. With what a
// write takes it is less than a second: that is what a killed run may lose.
const pause = 500 * time.Millisecond

// store holds something in memory.
type store interface {
	Dump() ([]byte, error)
	Load(dump []byte) error // after an error it holds nothing of the dump
	Watch(changed func())   // calls changed after each change from now on
}

// folder has what is written outlive a run: a file for each store. A nil one keeps nothing.
type folder struct {
	dir     *os.File // locked until the process ends
	fresh   bool
	log     io.Writer
	stores  map[string]store
	writing sync.Mutex
}

// openFolder makes a folder, if need be, and takes it for this process. It is nil when
// another process has it. A fresh one does not read the files that are there. What is
// for the banner.
func openFolder(path string, fresh bool, log io.Writer) (f *folder, what string, err error) {
	f = &folder{fresh: fresh, log: log, stores: map[string]store{}}
	err = os.MkdirAll(path, 0o700)
	if err == nil {
		f.dir, err = os.Open(path)
	}
	if err == nil {
		err = syscall.Flock(int(f.dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, "nothing is kept: another run has " + path, f.dir.Close()
	}
	return f, "kept in " + path + "; make run FRESH=1 begins anew", err
}

// keep has a store load its file, and tells whether there was one. From then on the file
// follows the store. A file that the store refuses is set aside.
func (f *folder) keep(name string, s store) (found bool, err error) {
	if f == nil {
		return false, nil
	}
	path := f.path(name)
	dump, err := os.ReadFile(path)
	if found = err == nil && !f.fresh; found {
		if damage := s.Load(dump); damage != nil {
			found = false
			reason, _, _ := strings.Cut(damage.Error(), "\n")
			aside := path + time.Now().Format(".damaged-20060102-150405")
			fmt.Fprintf(f.log, "%s is damaged (%.200s). It is set aside as %s, and what it held begins anew.\n", path, reason, filepath.Base(aside))
			err = os.Rename(path, aside)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	f.stores[name] = s
	var waits atomic.Bool
	s.Watch(func() {
		if waits.CompareAndSwap(false, true) {
			time.AfterFunc(pause, func() {
				waits.Store(false)
				f.save(name)
			})
		}
	})
	return found, nil
}

// save writes a store's file. A failure is a line on log; the next change tries again.
func (f *folder) save(name string) {
	f.writing.Lock() // or an older dump may come last
	defer f.writing.Unlock()
	dump, err := f.stores[name].Dump()
	if err == nil {
		err = f.write(name, dump)
	}
	if err != nil {
		fmt.Fprintf(f.log, "%s cannot be written: %v\n", f.path(name), err)
	}
}

func (f *folder) path(name string) string { return filepath.Join(f.dir.Name(), name) }

// write puts a complete file in the place of the one before, which is there until the
// new one is on the disk.
func (f *folder) write(name string, text []byte) error {
	return errors.Join(renameio.WriteFile(f.path(name), text, 0o600), f.dir.Sync())
}

// saveAll writes all files, at the end of a run.
func (f *folder) saveAll() {
	if f != nil {
		for name := range f.stores {
			f.save(name)
		}
	}
}

// followSchema brings kept posts to a schema.sql that is another than theirs, as make
// push does: it asks before anything is lost. Unless that is confirmed, the table stays
// as it is, and the next run asks again.
func (f *folder) followSchema(ctx context.Context, root, databaseURL string, schema []byte, found bool) error {
	if f == nil {
		return nil
	}
	if known, _ := os.ReadFile(f.path("schema.sql")); found && !bytes.Equal(known, schema) {
		fmt.Println("schema.sql has changed since the posts were kept. make push brings them to it:")
		push := exec.CommandContext(ctx, "sh", filepath.Join(root, "dev/run/start.sh"), "push")
		push.Stdin, push.Stdout, push.Stderr = os.Stdin, os.Stdout, os.Stderr
		push.Env = append(os.Environ(), "DATABASE_URL="+databaseURL, "CHECK=")
		if err := push.Run(); err != nil {
			fmt.Printf("The kept posts stay as they were. In another terminal: DATABASE_URL=%s make push\nmake run FRESH=1 begins without them.\n", databaseURL)
			return nil
		}
	}
	return f.write("schema.sql", schema)
}
