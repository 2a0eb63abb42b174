package oracle

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the process when the test's process dies in a way
// that runs no cleanup, such as the time-out of go test.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
