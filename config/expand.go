package config

import (
	"fmt"
	"strings"
)

// Expand fills in a command's placeholders. value returns a placeholder's value
// and whether there is one. The result is an argument vector: no shell reads it,
// so no value can be taken for anything but an argument.
func Expand(command []string, value func(name string) (string, bool)) ([]string, error) {
	args := make([]string, 0, len(command)+1)
	for _, word := range command {
		parts, err := ParseArgument(word)
		if err != nil {
			return nil, fmt.Errorf("trainer.command: %q: %w", word, err)
		}
		if p := parts[0]; p.Optional {
			v, ok := value(p.Name)
			switch {
			case !ok:
			case strings.HasSuffix(p.Flag, "="):
				args = append(args, p.Flag+v)
			default:
				args = append(args, p.Flag, v)
			}
			continue
		}
		var arg strings.Builder
		for _, p := range parts {
			v := p.Text
			if p.Name != "" {
				v, _ = value(p.Name) // what does not exist is empty
			}
			arg.WriteString(v)
		}
		args = append(args, arg.String())
	}
	return args, nil
}
