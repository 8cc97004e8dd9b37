package testkit

import (
	_ "embed"
	"strings"
)

var (
	//go:embed agents/robots.txt
	robots string
	//go:embed agents/people.txt
	people string

	// Robots and People are User-Agent headers as they are sent: by what previews and
	// finds links, and by people's browsers. "" is none.
	Robots = agentsIn(robots)
	People = append(agentsIn(people), "")
)

// agentsIn returns the lines of a text that are no comments.
func agentsIn(text string) (agents []string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			agents = append(agents, strings.TrimSpace(line))
		}
	}
	return agents
}
