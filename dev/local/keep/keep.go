// Package keep has what a program holds in memory outlive it, in files of one folder.
package keep

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// pause is between two looks for changes. With what a write takes it is less than a
// second: that is what a killed program may lose.
const pause = 500 * time.Millisecond

// Store is what holds something in memory.
type Store interface {
	Changes() int64         // how many there were so far
	Dump() ([]byte, error)  // what it holds
	Load(dump []byte) error // after an error it holds nothing of the dump
}

// Folder has a file for each store. A nil one keeps nothing.
type Folder struct {
	folder  *os.File // locked
	fresh   bool
	log     io.Writer
	closing chan struct{}
	files   sync.WaitGroup
}

// Open makes a folder, if need be, and takes it for this process. It is nil when another
// process has it. A fresh one does not read the files that are there.
func Open(path string, fresh bool, log io.Writer) (*Folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		folder.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = nil
		}
		return nil, err
	}
	return &Folder{folder: folder, fresh: fresh, log: log, closing: make(chan struct{})}, nil
}

// Keep has a store load its file, and tells whether there was one. From then on the file
// follows the store. A file that the store refuses is set aside.
func (f *Folder) Keep(name string, store Store) (found bool, err error) {
	if f == nil {
		return false, nil
	}
	path := f.Path(name)
	dump, err := os.ReadFile(path)
	if found = err == nil && !f.fresh; found {
		if damage := store.Load(dump); damage != nil {
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
	f.files.Go(func() { f.follow(name, store) })
	return found, nil
}

// follow writes a file after each change, and for the last time when the folder is
// closed. A failure is a line on log; the next change tries again.
func (f *Folder) follow(name string, store Store) {
	for written, open := store.Changes(), true; open; {
		select {
		case <-time.After(pause):
		case <-f.closing:
			open = false
		}
		changes := store.Changes()
		if changes == written && open {
			continue
		}
		dump, err := store.Dump()
		if err == nil {
			err = f.Write(name, dump)
		}
		if err != nil {
			fmt.Fprintf(f.log, "%s cannot be written: %v\n", f.Path(name), err)
		}
		written = changes
	}
}

// Path is where a file is.
func (f *Folder) Path(name string) string { return filepath.Join(f.folder.Name(), name) }

// Write puts a complete file in the place of the one before, which is there until the
// new one is on the disk.
func (f *Folder) Write(name string, text []byte) error {
	return errors.Join(renameio.WriteFile(f.Path(name), text, 0o600), f.folder.Sync())
}

// Close writes all files for the last time. It waits two seconds at most, since a dump
// may wait for somebody who never ends. The process keeps the folder until it ends.
func (f *Folder) Close() {
	if f == nil {
		return
	}
	close(f.closing)
	stopped := make(chan struct{})
	go func() {
		f.files.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(2 * time.Second):
		fmt.Fprintf(f.log, "The last change was not written to %s.\n", f.folder.Name())
	}
}
