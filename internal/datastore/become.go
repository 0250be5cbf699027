// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"fmt"
	"syscall"
)

// Become takes a snapshot's lock and makes this process another program, which holds the lock until
// it, and whatever it left running, has ended. It returns only an error.
func (s *Store) Become(ctx context.Context, ref Ref, shared bool, program string, args, environment []string) error {
	var lock interface{ KeepOnExec() error }
	var err error
	if shared {
		lock, err = s.LockShared(ctx, ref)
	} else {
		lock, err = s.LockExclusive(ctx, ref)
	}
	if err == nil {
		err = lock.KeepOnExec()
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("run %s: %w", args[0], syscall.Exec(program, args, environment))
}
