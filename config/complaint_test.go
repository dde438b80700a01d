package config

import "testing"

func TestNearest(t *testing.T) {
	allowed := append(keysOf(experiment.fields), exploitWords...)
	for found, want := range map[string]string{
		"populaton": "population", "Population": "population", "population_size": "population", "hyperparams": "hyperparameters", "hyperparameter": "hyperparameters",
		"sede": "seed", "bugdet": "budget", "trian": "", "trainner": "trainer", "explor": "explore", "t-test": "ttest", "truncate": "truncation",
		"x": "", "": "", "foobar": "", "Wiederholungen": "", "retry": "retries",
	} {
		if got := nearest(found, allowed); got != want {
			t.Errorf("nearest to %q is %q, want %q", found, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"abc", "xabc", 1}, {"kitten", "sitting", 3}, {"größe", "grosse", 3}, {"ca", "abc", 3},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q is %d, want %d", c.a, c.b, got, c.want)
		}
		if got := distance(c.b, c.a); got != c.want {
			t.Errorf("%q to %q is %d, want %d", c.b, c.a, got, c.want)
		}
	}
}
