// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ovzpatch/internal/cache"
)

// The types below are those of in-toto's Statement v1 and SLSA's Provenance v1, as far as they
// are used. docs/publish.md says what each field holds.

const (
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://slsa.dev/provenance/v1"
	// buildType names how the parameters are to be read; it is described in docs/publish.md.
	buildType = "urn:ovzpatch:build:rpmbuild:v1"
	// The scheme names an OpenPGP key by its fingerprint.
	builderScheme = "openpgp4fpr:"
)

type statement struct {
	Type          string     `json:"_type"`
	Subject       []resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     provenance `json:"predicate"`
}

type resource struct {
	Name        string            `json:"name"`
	Digest      map[string]string `json:"digest"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type provenance struct {
	BuildDefinition definition `json:"buildDefinition"`
	RunDetails      run        `json:"runDetails"`
}

type definition struct {
	BuildType            string             `json:"buildType"`
	ExternalParameters   externalParameters `json:"externalParameters"`
	InternalParameters   internalParameters `json:"internalParameters"`
	ResolvedDependencies []resource         `json:"resolvedDependencies"`
}

type externalParameters struct {
	Source  string   `json:"source"`
	Port    string   `json:"port"`
	Spec    string   `json:"spec"`
	Options []string `json:"options,omitempty"`
}

type internalParameters struct {
	Toolchain map[string]string `json:"toolchain,omitempty"`
	Derived   string            `json:"derived,omitempty"`
}

type run struct {
	Builder struct {
		ID string `json:"id"`
	} `json:"builder"`
	Metadata struct {
		InvocationID string    `json:"invocationId,omitempty"`
		FinishedOn   time.Time `json:"finishedOn,omitzero"`
	} `json:"metadata"`
	Byproducts []resource `json:"byproducts,omitempty"`
}

// Statement returns the content of evidence/BASE.intoto.json, an in-toto statement with SLSA
// provenance, which the key of that fingerprint is to sign. Report is the content of the
// kernel's evidence/BASE.json: the statement holds its digest, so that the one signature covers
// both.
func (k *Kernel) Statement(key string, report []byte) ([]byte, error) {
	s := statement{Type: statementType, PredicateType: predicateType}
	for _, p := range k.Packages {
		if len(p.SHA256) != 2*sha256.Size {
			return nil, fmt.Errorf("write the statement of %s: package %s has no SHA-256", k.Name, p.File)
		}
		r := resource{Name: p.File, Digest: digest(p.SHA256)}
		if p.Unsigned != "" {
			r.Annotations = map[string]string{"sha256BeforeSigning": p.Unsigned}
		}
		s.Subject = append(s.Subject, r)
	}
	if len(s.Subject) == 0 {
		return nil, fmt.Errorf("write the statement of %s: %w", k.Name, errors.New("it has no package"))
	}
	d := &s.Predicate.BuildDefinition
	d.BuildType = buildType
	d.ExternalParameters = externalParameters{k.Source.Name, k.Port.Name, k.Spec.Name, k.Options}
	d.InternalParameters = internalParameters{k.Toolchain, k.Derived}
	for _, in := range []Input{k.Source, k.Port, k.Spec} {
		if in.SHA256 != "" { // a name alone describes no resource
			d.ResolvedDependencies = append(d.ResolvedDependencies, resource{Name: in.Name, Digest: digest(in.SHA256)})
		}
	}
	r := &s.Predicate.RunDetails
	r.Builder.ID = builderScheme + key
	r.Metadata.InvocationID = k.Snapshot
	r.Metadata.FinishedOn = k.Finished.UTC()
	r.Byproducts = []resource{{Name: k.Base() + ".json", Digest: digest(cache.SHA256(report))}}
	if k.Log.SHA256 != "" {
		r.Byproducts = append(r.Byproducts, resource{Name: k.Log.Name, Digest: digest(k.Log.SHA256)})
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the statement of %s: %w", k.Name, err)
	}
	return append(b, '\n'), nil
}

// digest is in-toto's set of digests.
func digest(sum string) map[string]string { return map[string]string{"sha256": sum} }
