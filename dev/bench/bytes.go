//go:build linux

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// measureBytes says how many reads reach a function at all, and how much is
// sent for one.
func measureBytes(w *world, _ *bars) ([]section, error) {
	share := section{
		title: "The CDN (a simulation)",
		note: "Not measured on Vercel: a model of one region's cache under `s-maxage=1, stale-while-revalidate=10` as Vercel documents it. Younger than a second, the kept answer is served; " +
			"up to ten more, it is served too while one call renews it; older, the reader waits for a call. Readers come at random (Poisson), a call takes 50 ms, ten simulated minutes.",
		rows: [][]string{{"readers a second and region", "reads that reach a function", "calls a second", "readers who wait for one"}},
	}
	for _, rate := range []float64{0.01, 0.1, 1, 100, 10_000} {
		reads, calls, waits := simulate(rate, 10*time.Minute)
		share.row(fmt.Sprint(rate), fmt.Sprintf("%s %%", number(100*float64(calls)/float64(reads))), number(float64(calls)/600), fmt.Sprintf("%s %%", number(100*float64(waits)/float64(reads))))
	}

	size := section{
		title: "Bytes",
		note:  "Bodies, without headers; Vercel compresses (here: gzip, its default level). The page's are all files that a reader's browser may load from it, ClerkJS not among them.",
		rows:  [][]string{{"", "requests", "bytes", "gzipped"}},
	}
	for _, read := range []struct{ name, operation, path string }{
		{"feed, 20 posts with authors", "list", "/api/posts"}, {"one post with its author", "get", "/api/posts/500"},
	} {
		f, err := w.ours(read.operation, w.dsn(table), 1, nil)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		response, err := call(w.ctx, f, request("GET", read.path, "", ""))
		if err != nil {
			return nil, err
		}
		body, err := base64.StdEncoding.DecodeString(response.Body)
		if err != nil {
			return nil, err
		}
		size.row(read.name, "1", grouped(len(body)), grouped(gzipped(body)))
	}
	files, total, compressed := 0, 0, 0
	err := filepath.WalkDir(w.output.Static, func(file string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.Contains(".html .css .js .svg", filepath.Ext(file)) || entry.Name() == "404.html" {
			return err
		}
		content, err := os.ReadFile(file)
		files, total, compressed = files+1, total+len(content), compressed+gzipped(content)
		return err
	})
	if err != nil {
		return nil, err
	}
	size.row("the page: HTML, CSS, modules, icon", fmt.Sprint(files), grouped(total), grouped(compressed))
	return []section{share, size}, nil
}

// simulate counts, for one region of the CDN, the reads, the function's calls
// and the readers who wait for one.
func simulate(perSecond float64, length time.Duration) (reads, calls, waits int) {
	const (
		fresh = 1.0 // seconds: s-maxage
		stale = fresh + 10
		call  = 0.05
	)
	random := rand.New(rand.NewPCG(1, 2)) // the same each time
	kept, renewed := 0.0, 0.0             // when the answer in the cache, and the next one, were made
	for now := random.ExpFloat64() / perSecond; now < length.Seconds(); now += random.ExpFloat64() / perSecond {
		reads++
		if now >= renewed {
			kept = renewed
		}
		switch age := now - kept; {
		case age < fresh:
		case renewed > now: // on its way; the CDN is not taken to make one call of two
			if age >= stale {
				calls, waits = calls+1, waits+1
			}
		default:
			calls++
			renewed = now + call
			if age >= stale {
				waits++
			}
		}
	}
	return reads, calls, waits
}

func gzipped(content []byte) int {
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	io.Copy(writer, bytes.NewReader(content)) // memory to memory: it cannot fail
	writer.Close()
	return compressed.Len()
}
