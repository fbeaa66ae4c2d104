/*
 * Preloaded into User-Mode Linux: lets its kernel run on processors with a large register state.
 *
 * Linux 6.1's UML reads and writes the extended registers of its guest processes through a buffer of fixed size. On
 * a processor whose full state is larger (AMX), the machine's kernel refuses such a short write with EFAULT and the
 * guest's init dies. Here a short write becomes read, overlay, write: the part that UML does not know is kept.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

enum { GETREGSET = 0x4204, SETREGSET = 0x4205, X86_XSTATE = 0x202 };

/* Static, because UML calls from small stacks; it runs one processor, so calls do not overlap. */
static char whole[65536] __attribute__((aligned(64)));

typedef long (*ptrace_call)(int, long, void *, void *);

long ptrace(int request, long pid, void *address, void *data)
{
    static ptrace_call next;
    if (!next)
        next = (ptrace_call)dlsym(RTLD_NEXT, "ptrace");
    if (request != SETREGSET || (long)address != X86_XSTATE)
        return next(request, pid, address, data);

    struct iovec *given = data;
    struct iovec full = {whole, sizeof whole};
    if (next(GETREGSET, pid, address, &full) < 0)
        return -1;
    if (given->iov_len >= full.iov_len)
        return next(request, pid, address, data);
    memcpy(whole, given->iov_base, given->iov_len);
    return next(request, pid, address, &full);
}
