// SPDX-License-Identifier: Apache-2.0

package job

// The exit codes of ovzpatch, which reports hold, too; docs/design.md says what they mean. Only the
// commands make them of errors.
const (
	CodeDone = iota
	CodeFailed
	CodeRefused
	CodeMisfit
	CodeBehaved
	CodeNoVerdict
)

// OfCode returns err as one of the kind for which ovzpatch ends with code.
func OfCode(code int, err error) error {
	switch code {
	case CodeRefused:
		return BadRequest(err)
	case CodeMisfit:
		return Misfit(err)
	case CodeBehaved:
		return Misbehaved(err)
	case CodeNoVerdict:
		return NoVerdict(err)
	}
	return err
}
