// A container of this machine's own files, under an overlay, that shares the network. Changes no file of this machine.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * For `sh` in a mount namespace of its own: makes the container in `$DIR`, and the function `container`, which gives its
 * arguments to `systemd-nspawn`. That wants cgroup2, and a group for its own.
 */
export const CONTAINER = `set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=0755 none "$DIR"
mkdir "$DIR/upper" "$DIR/work" "$DIR/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$DIR/upper,workdir=$DIR/work" "$DIR/root"
umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
group=/sys/fs/cgroup/hq-token-test-$$
mkdir "$group"
trap 'echo $$ > /sys/fs/cgroup/cgroup.procs; find "$group" -depth -type d -exec rmdir {} +' EXIT
echo $$ > "$group/cgroup.procs"
# A machine that was cloned has no id of its own yet.
rm -f "$DIR/root/etc/machine-id"
container() {
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --register=no --keep-unit --resolv-conf=off --console=pipe -D "$DIR/root" "$@"
}
`

/** Whether such a container runs here. */
export function canContain(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'hq-token-test-'))
  try {
    const script = `${CONTAINER}\ncontainer /bin/true`
    const options = { env: { PATH: process.env['PATH'], DIR: dir }, timeout: 30_000 }
    return spawnSync('unshare', ['--mount', 'sh', '-c', script], options).status === 0
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
