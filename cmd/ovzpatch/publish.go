// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/publish"
)

// publishCommand is what the command line says.
type publishCommand struct {
	publish.Options
	store  string
	back   string
	retire string
	reason string
	check  bool
	out    jsonFlag
	notice publish.Advisory
}

func newPublish(*app) *cobra.Command {
	p := &publishCommand{}
	c := &cobra.Command{
		Use:   "publish [GROUP|SNAPSHOT]...",
		Short: "Publish proved kernels as a signed repository for yum, dnf and zypper",
		RunE:  p.run,
	}
	p.register(c)
	return c
}

func (p *publishCommand) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.store, "store", "", "directory of the datastore (default: $OVZPATCH_STORE)")
	f.StringVar(&p.To, "to", "", "the repository's directory, which a web server exports")
	f.StringVar(&p.Key, "key", "", "the key to sign with: its fingerprint, or what gpg knows it by (--rollback, --retire: the one that signed)")
	f.StringVar(&p.GPGHome, "gpg-home", "", "gpg's directory of keys (default: gpg's own)")
	f.StringSliceVar(&p.Namespaces, "namespace", nil, "publish all groups of these namespaces, and of those below them")
	f.IntVar(&p.Latest, "latest", 0, "publish the newest N of each group that may be published (default: all)")
	f.StringSliceVar(&p.Archs, "arch", nil, "publish only packages of these architectures, and noarch and source")
	f.StringSliceVar(&p.Profiles, "profile", nil, "the clients, each with a repository of its own: rhel5, rhel6, modern (default: those of the last generation; modern for the first)")
	f.StringVar(&p.URL, "url", "", "the address under which clients find the directory; writes .repo files (default: that of the last generation)")
	f.BoolVar(&p.WithoutControl, "without-control", false, "also publish a kernel if nobody showed that the same kernel without the patch is vulnerable")
	f.BoolVar(&p.AllowUnproved, "allow-unproved", false, "also publish kernels that are not proved, even vulnerable ones; the repository is marked UNPROVED")
	f.BoolVar(&p.Resign, "resign", false, "replace the signatures of packages that are signed already")
	f.IntVar(&p.Keep, "keep", publish.DefaultKeep, "how many generations stay for clients that read older metadata")
	p.out.register(c, "write the result as JSON")
	f.BoolVar(&p.check, "check", false, "publish nothing: say what yum, dnf and zypper will do with packages, directories, groups or snapshots")
	f.StringVar(&p.back, "rollback", "", "publish what the generation before held; --rollback=N: what generation N held")
	f.Lookup("rollback").NoOptDefVal = previous
	f.StringVar(&p.retire, "retire", "", "remove this kernel from the repository, and never publish it again; needs --reason")
	f.StringVar(&p.reason, "reason", "", "why the kernel is retired; clients can read it")
	f.StringVar(&p.notice.ID, "advisory", "", "add a security notice of this name for the newest kernels that are published; needs --severity and --description")
	f.StringVar(&p.notice.Severity, "severity", "", "how bad it is, for the notice: Critical, Important, Moderate or Low")
	f.StringVar(&p.notice.Description, "description", "", "what the notice says; its first line is its title")
	f.StringArrayVar(&p.notice.References, "reference", nil, "a CVE, or an address that tells more; may be repeated")
	c.MarkFlagsRequiredTogether("advisory", "severity", "description")
	// What would be passed over is refused.
	for _, flag := range []string{"advisory", "namespace", "latest", "arch", "url", "without-control", "allow-unproved", "resign"} {
		for _, mode := range []string{"check", "rollback", "retire"} {
			c.MarkFlagsMutuallyExclusive(flag, mode)
		}
	}
	for _, flag := range []string{"to", "key", "gpg-home", "keep"} {
		c.MarkFlagsMutuallyExclusive("check", flag)
	}
	c.MarkFlagsMutuallyExclusive("profile", "rollback")
	c.MarkFlagsMutuallyExclusive("profile", "retire")
	cmdline.Complete(c, "severity", publish.Severities...)
	c.MarkFlagsRequiredTogether("retire", "reason")
	c.MarkFlagsMutuallyExclusive("retire", "rollback", "check")
	cmdline.Complete(c, "profile", "rhel5", "rhel6", "modern")
}

func (p *publishCommand) run(c *cobra.Command, args []string) error {
	p.Names, p.Report, p.OwnGPGHome = args, newUI(c), ownGPGHome()
	if c.Flags().Changed("advisory") {
		p.Advisory = &p.notice
	}
	if p.check {
		return p.checkClients(c)
	}
	if p.Advisory == nil && len(p.notice.References) > 0 {
		return usage(errors.New("--reference belongs to a notice: name that with --advisory"))
	}
	if p.To == "" {
		return usage(errors.New("--to is missing: name the repository's directory; or say --check; see ovzpatch publish --help"))
	}
	if p.Latest == 0 && c.Flags().Changed("latest") {
		return usage(errors.New("--latest=0: it must be 1 or more; leave it out for all"))
	}
	if err := p.Check(); err != nil {
		return err
	}
	var res *publish.Result
	var err error
	switch {
	case p.back == previous && len(args) == 1 && isNumber(args[0]):
		return usage(fmt.Errorf("a generation's number goes with an equals sign: --rollback=%s", args[0]))
	case (p.back != "" || p.retire != "") && len(args) > 0:
		return usage(errors.New("--rollback and --retire work on what is published: name no group"))
	case p.back != "":
		number := 0
		if p.back != previous {
			if number, err = strconv.Atoi(p.back); err != nil || number < 1 {
				return usage(fmt.Errorf("--rollback=%s: it must be the number of a generation, or nothing for the one before", p.back))
			}
		}
		res, err = publish.Rollback(c.Context(), p.Options, number)
	case p.retire != "":
		res, err = publish.Retire(c.Context(), p.Options, p.retire, p.reason)
	default:
		s, openErr := openStore(p.Report, p.store)
		if openErr != nil {
			return openErr
		}
		res, err = publish.Publish(c.Context(), s, p.Options)
	}
	if err != nil {
		return err
	}
	return p.out.print(c, res, func(w io.Writer) error { return res.Text(w) })
}

// ownGPGHome is gpg's own directory of keys, "" where there is none.
func ownGPGHome() string {
	dir := os.Getenv("GNUPGHOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".gnupg")
	}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return ""
	}
	return dir
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// previous is what --rollback without a number means.
const previous = "previous"

// checkClients says what clients do with packages.
func (p *publishCommand) checkClients(c *cobra.Command) error {
	list, err := publish.CheckClients(c.Context(), p.Names, p.Profiles, p.Report, func() (*datastore.Store, error) { return openStore(p.Report, p.store) })
	if err != nil {
		return err
	}
	return errors.Join(show(c, p.out, list, nil, publish.WriteChecked), publish.Harmed(list, len(p.Profiles) > 0))
}
