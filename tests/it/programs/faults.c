// The C half of the fault matrix: `faults NAME` brings itself into one situation and dies there. What it prints and how
// it ends must be the same with and without coldframe. Built with -O0 -pthread.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static void check(int failed, const char *what) {
    if (failed) {
        perror(what);
        exit(3);
    }
}

// The fault that ends most situations: a write to address 0x28.
static void crash(void) { *(volatile int *)0x28 = 1; }

// -- What the processor and the kernel refuse

static void null(void) { *(volatile int *)0 = 1; }
static void wild(void) { *(volatile int *)0x123456789abc = 1; }
static void non_canonical(void) { *(volatile int *)0xdead000000000000 = 1; }
static void call_of_null(void) { ((void (*volatile)(void))0)(); }
static char data[64] = {(char)0xc3};
static void call_of_data(void) { ((void (*volatile)(void))data)(); }
static void write_to_code(void) { *(volatile char *)(void *)write_to_code = 1; }
static void aborts(void) { abort(); }
static void divides(void) {
    volatile int one = 1, zero = 0;
    one = (one + 5) / zero;
}
static void illegal(void) { __asm__ volatile("ud2"); }
static void trap(void) { __asm__ volatile("int3"); }
static void past_the_file(void) {
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);
    check(fd < 0 || ftruncate(fd, 1), "a file");
    volatile char *page = mmap(0, 8192, PROT_READ, MAP_SHARED, fd, 0);
    (void)page[4096];
}

static void filter(int count, const int *calls, unsigned action) {
    struct sock_filter code[2 * 8 + 2];
    int at = 0;
    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < count; i++) {
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {at, code};
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "seccomp");
}
static void trapped_call(void) {
    filter(1, (int[]){SYS_getpriority}, SECCOMP_RET_TRAP);
    syscall(SYS_getpriority, 0, 0);
}
static void sent(void) { kill(getpid(), SIGFPE); }
static void raised_after_unblocking(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    abort();
}
static void fault_while_blocked(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    crash();
}

// -- Stacks and heaps

static volatile int depth;
static int recurse(int n) {
    volatile char frame[1000];
    memset((char *)frame, n, sizeof frame);
    depth = n;
    return recurse(n + 1) + frame[5];
}
static void overflow(void) { recurse(0); }
static void *overflowing_thread(void *argument) { return (void *)(long)recurse(0); }
static void start(void *(*body)(void *)) {
    pthread_t id;
    check((errno = pthread_create(&id, 0, body, 0)) != 0, "a thread");
}
static void overflow_in_a_thread(void) {
    start(overflowing_thread);
    pause();
}
static void bad_free(void) {
    char *block = malloc(100);
    free(block + 8);
}
// glibc finds the wrong size while it holds the arena's lock.
static void bad_top(void) {
    char *block = malloc(24);
    memset(block + 24, 0x41, 8);
    for (;;) malloc(100000);
}
// The lock of stdio, which a careless handler would want.
static void inside_stdio(void) {
    flockfile(stderr);
    flockfile(stdout);
    crash();
}

// -- Threads

static void *crashing_thread(void *argument) {
    crash();
    return 0;
}
static void in_a_thread(void) {
    start(crashing_thread);
    pause();
}
static void after_the_main_thread(void) {
    start(crashing_thread);
    pthread_exit(0);
}
static pthread_barrier_t barrier;
static void *crashing_together(void *argument) {
    pthread_barrier_wait(&barrier);
    crash();
    return 0;
}
static void eight_at_once(void) {
    pthread_barrier_init(&barrier, 0, 8);
    for (int i = 0; i < 7; i++) start(crashing_together);
    crashing_together(0);
}
static void *waiting_thread(void *argument) {
    pause();
    return 0;
}
static void a_thousand_threads(void) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    for (int i = 0; i < 1000; i++) {
        pthread_t id;
        check((errno = pthread_create(&id, &small, waiting_thread, 0)) != 0, "a thread");
    }
    crash();
}
// The kernel holds a vfork's parent uninterruptibly until the child ends.
static int vforked[2];
static void *waiting_for_vfork(void *argument) {
    if (vfork() == 0) {
        char byte = 1;
        write(vforked[1], &byte, 1);
        sleep(3);
        _exit(0);
    }
    return 0;
}
static void with_a_thread_in_vfork(void) {
    char byte;
    check(pipe(vforked), "a pipe");
    start(waiting_for_vfork);
    read(vforked[0], &byte, 1);
    crash();
}
static void *reaping_thread(void *argument) {
    for (;;) waitpid(-1, 0, __WALL);
}
static void someone_reaps_every_child(void) {
    start(reaping_thread);
    usleep(1000);
    crash();
}

// -- Signals

static void on_usr1(int signal) { crash(); }
static void in_a_signal_handler(void) {
    signal(SIGUSR1, on_usr1);
    raise(SIGUSR1);
}
static void on_altstack(void) {
    static char stack[65536];
    stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK};
    check(sigaltstack(&own, 0) || sigaction(SIGUSR1, &action, 0), "a handler");
    raise(SIGUSR1);
}
static void without_an_altstack(void) {
    stack_t none = {.ss_flags = SS_DISABLE};
    check(sigaltstack(&none, 0), "sigaltstack");
    crash();
}
static void child_signal_ignored(void) {
    signal(SIGCHLD, SIG_IGN);
    crash();
}
static void child_signal_without_zombies(void) {
    struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    sigaction(SIGCHLD, &action, 0);
    crash();
}
// The library's own data gone: its handler faults too.
static void our_handler_faults(void) {
    char line[4096];
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long from[8], to[8];
    int count = 0;
    while (fgets(line, sizeof line, maps) && count < 8)
        if (strstr(line, "libcoldframe_handler.so") && strstr(line, " rw-p "))
            if (sscanf(line, "%lx-%lx", &from[count], &to[count]) == 2) count++;
    for (int i = 0; i < count; i++) mprotect((void *)from[i], to[i] - from[i], PROT_READ);
    crash();
}

// -- Handlers of the program's own

static char *pages;
static void mending(int signal, siginfo_t *info, void *context) {
    mprotect((void *)((long)info->si_addr & ~4095), 4096, PROT_READ | PROT_WRITE);
}
static void mended(void) {
    struct sigaction action = {.sa_sigaction = mending, .sa_flags = SA_SIGINFO};
    pages = mmap(0, 3000 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(sigaction(SIGSEGV, &action, 0), "sigaction");
    for (int i = 0; i < 3000; i++) pages[i * 4096L] = 1;
    printf("mended\n");
}
// A virtual machine's null check: the same fault again and again, and each time it goes on elsewhere.
static void resuming(int signal, siginfo_t *info, void *context) {
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 11;
}
static void resumed(void) {
    struct sigaction action = {.sa_sigaction = resuming, .sa_flags = SA_SIGINFO};
    check(sigaction(SIGSEGV, &action, 0), "sigaction");
    for (int i = 0; i < 20000; i++) __asm__ volatile("movl $1, 0x28");
    printf("resumed\n");
}
static struct sigaction found;
static void handing_back(int number, siginfo_t *info, void *context) {
    char text[100];
    int size = snprintf(text, sizeof text, "%d %d %p %d\n", number, info->si_code, info->si_addr, context != 0);
    write(1, text, size);
    sigaction(number, &found, 0);
}
static void handed_back(void) {
    struct sigaction action = {.sa_sigaction = handing_back, .sa_flags = SA_SIGINFO};
    check(sigaction(SIGSEGV, &action, &found), "sigaction");
    crash();
}
static void does_nothing(int signal) {}
static void hopeless(void) {
    signal(SIGSEGV, does_nothing);
    alarm(2);
    crash();
}
static void one_time_handler(int signal) { write(1, "once\n", 5); }
static void one_time(void) {
    struct sigaction action = {.sa_handler = one_time_handler, .sa_flags = SA_RESETHAND};
    check(sigaction(SIGSEGV, &action, 0), "sigaction");
    crash();
}
// What Go's runtime does: no libc, and the handler that was there before is called as a plain function.
struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};
static struct kernel_action raw_found;
static void raw_on_segv(int number, siginfo_t *info, void *context) {
    struct kernel_action standard = {0};
    write(1, "raw\n", 4);
    if (raw_found.handler)
        raw_found.handler(number, info, context);
    else
        syscall(SYS_rt_sigaction, number, &standard, 0, 8);
}
__asm__("raw_restorer: mov $15, %rax; syscall");
void raw_restorer(void);
static void raw_handler(void) {
    struct kernel_action action = {raw_on_segv, SA_SIGINFO | SA_ONSTACK | 0x04000000, raw_restorer, 0};
    check(syscall(SYS_rt_sigaction, SIGSEGV, &action, &raw_found, 8), "rt_sigaction");
    crash();
}
static void show(const char *moment, const struct sigaction *action) {
    const char *name = action->sa_handler == SIG_DFL ? "default"
        : action->sa_handler == SIG_IGN ? "ignored"
        : action->sa_handler == does_nothing ? "ours"
        : action->sa_sigaction == mending ? "mending" : "someone else's";
    printf("%s: %s, flags %x, USR1 blocked %d\n", moment, name, action->sa_flags & ~0x04000000,
           sigismember(&action->sa_mask, SIGUSR1));
}
static void queries(void) {
    int signals[] = {SIGSEGV, SIGABRT, SIGUSR2};
    for (int i = 0; i < 3; i++) {
        struct sigaction action = {.sa_handler = does_nothing, .sa_flags = SA_RESTART | SA_NODEFER}, old;
        sigaction(signals[i], 0, &old);
        show("at first", &old);
        sigaddset(&action.sa_mask, SIGUSR1);
        sigaction(signals[i], &action, &old);
        show("before", &old);
        sigaction(signals[i], 0, &old);
        show("after", &old);
        siginterrupt(signals[i], 1);
        action.sa_sigaction = mending;
        action.sa_flags = SA_SIGINFO;
        sigaction(signals[i], &action, &old);
        show("interrupting", &old);
        printf("signal: %d", signal(signals[i], SIG_IGN) == (void *)mending);
        printf(" %d", signal(signals[i], SIG_DFL) == SIG_IGN);
        printf(" %d", signal(signals[i], SIG_DFL) == SIG_DFL);
        printf(" %d\n", signal(signals[i], SIG_ERR) == SIG_ERR);
        sigaction(signals[i], 0, &old);
        show("at last", &old);
    }
    printf("%d %d\n", signal(SIGKILL, SIG_DFL) == SIG_ERR, errno);
    printf("%d %d\n", sigaction(1000, 0, &found), errno);
}
// As unshare(1) and timeout(1) end when their child died of a signal.
static void ends_as_its_child(void) {
    pid_t child = fork();
    int status;
    if (child == 0) crash();
    waitpid(child, &status, 0);
    signal(WTERMSIG(status), SIG_DFL);
    kill(getpid(), WTERMSIG(status));
}
static volatile int child_signals;
static void on_child(int signal) { child_signals++; }
static int descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 100; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}
static void survivor(void) {
    signal(SIGCHLD, on_child);
    signal(SIGABRT, does_nothing);
    int before = descriptors();
    raise(SIGABRT);
    usleep(1000);
    int no_child = waitpid(-1, 0, WNOHANG) < 0 && errno == ECHILD;
    printf("no child %d, SIGCHLD %d, descriptors %d\n", no_child, child_signals, descriptors() - before);
}

static void prints_and_exits(int signal) {
    printf("handled %d\n", signal);
    exit(7);
}
static void ends_in_its_handler(void) {
    signal(SIGSEGV, prints_and_exits);
    crash();
}
static void ends_at_once(int signal) { _exit(7); }
static void ends_at_once_in_its_handler(void) {
    signal(SIGSEGV, ends_at_once);
    crash();
}
static sigjmp_buf elsewhere;
static void jumping(int signal) { siglongjmp(elsewhere, 1); }
static void deeper(int count) {
    volatile char room[4096];
    for (size_t i = 0; i < sizeof room; i++) room[i] = count;
    if (count == 0) exit(7);
    deeper(count - 1);
}
static void ends_after_a_handler(void) {
    signal(SIGSEGV, jumping);
    if (sigsetjmp(elsewhere, 1) == 0) crash();
    printf("elsewhere\n");
    deeper(9);
}

// -- Children

static void report_child(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    printf("a child ended by signal %d\n", WTERMSIG(status));
    fflush(stdout);
}
static void fork_then_crash(void) {
    pid_t child = fork();
    if (child == 0) crash();
    report_child(child);
}
static void vfork_then_crash(void) {
    pid_t child = vfork();
    if (child == 0) {
        crash();
        _exit(1);
    }
    report_child(child);
}
static void child_and_parent(void) {
    fork_then_crash();
    *(volatile int *)0x30 = 1;
}
static void *forking_thread(void *argument) {
    fork_then_crash();
    exit(0);
}
static void fork_in_a_thread(void) {
    start(forking_thread);
    pause();
}
static void grandchild_elsewhere(void) {
    pid_t child = fork();
    if (child == 0) {
        check(chdir("/"), "chdir");
        fork_then_crash();
        exit(0);
    }
    waitpid(child, 0, 0);
}

static void as_pid_1_of_a_namespace(int has_proc) {
    check(unshare(CLONE_NEWPID | CLONE_NEWNS), "unshare");
    pid_t child = fork();
    if (child == 0) {
        check(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0), "mount");
        if (has_proc) check(mount("proc", "/proc", "proc", 0, 0), "mount");
        crash();
    }
    report_child(child);
}
static void as_pid_1(void) { as_pid_1_of_a_namespace(1); }
static void as_pid_1_with_another_proc(void) { as_pid_1_of_a_namespace(0); }

// -- Limits

static void limit(int resource, rlim_t value) {
    struct rlimit limit;
    getrlimit(resource, &limit);
    limit.rlim_cur = value;
    check(setrlimit(resource, &limit), "setrlimit");
}
static void limited_address_space(void) {
    limit(RLIMIT_AS, 16 << 20);
    crash();
}
static void limited_file_size(void) {
    limit(RLIMIT_FSIZE, 0);
    crash();
}
static void no_more_descriptors(void) {
    while (dup(0) >= 0) {
    }
    crash();
}
static void no_descriptor_at_all(void) {
    limit(RLIMIT_NOFILE, 0);
    crash();
}
static void no_more_processes(void) {
    // Root is not bound by it.
    if (getuid() == 0) check(setgid(65534) || setuid(65534) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "setuid");
    limit(RLIMIT_NPROC, 0);
    crash();
}
static void dropped_uid(void) {
    check(setgid(65534) || setuid(65534), "setuid");
    crash();
}
static void dropped_before_exec(void) {
    if (getuid() != 0) crash();
    check(setgid(65534) || setuid(65534), "setuid");
    execl("/proc/self/exe", "faults", "dropped_before_exec", (char *)0);
}
// Root may look at any process, and so may who started as another user and stayed that.
static void not_dumpable(void) {
    if (getuid() == 0) {
        check(setgid(65534) || setuid(65534), "setuid");
        execl("/proc/self/exe", "faults", "not_dumpable", (char *)0);
    }
    prctl(PR_SET_DUMPABLE, 0);
    crash();
}
static void closed_streams(void) {
    close(0);
    close(1);
    close(2);
    crash();
}
static void every_descriptor_closed(void) {
    close_range(0, ~0u, 0);
    crash();
}

// -- Sandboxes

#define DENIED(name, ...)                                                                                              \
    static void name(void) {                                                                                           \
        int calls[] = {__VA_ARGS__};                                                                                   \
        filter(sizeof calls / sizeof *calls, calls, SECCOMP_RET_ERRNO | EPERM);                                        \
        crash();                                                                                                       \
    }
DENIED(denied_clone, SYS_clone, SYS_clone3, SYS_fork, SYS_vfork)
DENIED(denied_execve, SYS_execve, SYS_execveat)
static void denied_ptrace(void) {
    start(waiting_thread);
    usleep(20000);
    filter(1, (int[]){SYS_ptrace}, SECCOMP_RET_ERRNO | EPERM);
    crash();
}
DENIED(denied_readv, SYS_process_vm_readv)
DENIED(denied_both, SYS_ptrace, SYS_process_vm_readv)
DENIED(denied_all, SYS_ptrace, SYS_process_vm_readv, SYS_clone, SYS_clone3, SYS_fork, SYS_vfork, SYS_execve)
static void fatal_ptrace(void) {
    filter(1, (int[]){SYS_ptrace}, SECCOMP_RET_KILL_PROCESS);
    crash();
}
static void fatal_both(void) {
    filter(2, (int[]){SYS_ptrace, SYS_process_vm_readv}, SECCOMP_RET_KILL_PROCESS);
    crash();
}

static void dropped_and_denied(void) {
    start(waiting_thread);
    filter(2, (int[]){SYS_ptrace, SYS_process_vm_readv}, SECCOMP_RET_ERRNO | EPERM);
    dropped_uid();
}
static void dropped_and_fatal(void) {
    filter(2, (int[]){SYS_ptrace, SYS_process_vm_readv}, SECCOMP_RET_KILL_PROCESS);
    dropped_uid();
}

// -- The helper and its folder, found by what `run` set

// FOLDER/coldframe, or the empty string where nothing was preloaded.
static const char *helper(void) {
    static char path[4096];
    const char *preload = getenv("LD_PRELOAD");
    const char *last = preload ? strrchr(preload, ':') : 0;
    if (!preload) return "";
    // Where programs of 32 bits can run, links lead to the folder that both lie in.
    if (!realpath(last ? last + 1 : preload, path)) return "";
    char *slash = strrchr(path, '/');
    if (slash) strcpy(slash + 1, "coldframe");
    return path;
}
static void helper_deleted(void) {
    unlink(helper());
    crash();
}
static void replace_helper(const char *script) {
    if (*helper()) {
        unlink(helper());
        FILE *file = fopen(helper(), "w");
        check(!file, "the helper");
        fputs(script, file);
        fchmod(fileno(file), 0755);
        fclose(file);
    }
    crash();
}
static void helper_hangs(void) { replace_helper("#!/bin/sh\nexec sleep 100\n"); }
static void helper_crashes(void) { replace_helper("#!/bin/sh\nkill -SEGV $$\n"); }
static void helper_killed(void) { replace_helper("#!/bin/sh\nkill -KILL $$\n"); }
static void folder_removed(void) {
    const char *folder = getenv("COLDFRAME_DIR");
    if (folder) rmdir(folder);
    crash();
}

// -- Memory

// Resident as the kernel counts it, and with the page tables for it, but with the memory of one small file, which is
// mapped again and again.
static void sixteen_gigabytes(void) {
    size_t size = 64 << 20, resident = 0;
    int file = memfd_create("mapped", 0);
    check(file < 0 || ftruncate(file, size), "memfd_create");
    for (int i = 0; i < 256; i++) {
        void *block = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
        check(block == MAP_FAILED, "mmap");
    }
    FILE *statm = fopen("/proc/self/statm", "r");
    check(!statm || fscanf(statm, "%*s %zu", &resident) != 1 || resident < (16UL << 30) / 4096, "not resident");
    crash();
}

static void large(void) {
    size_t size = (size_t)atol(getenv("FAULTS_MEGABYTES")) << 20;
    char *block = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(block, size, MADV_NOHUGEPAGE);
    check(block == MAP_FAILED, "memory");
    for (size_t at = 0; at < size; at += 4096) block[at] = 1;
    crash();
}

#define ROW(name) {#name, name}
static const struct {
    const char *name;
    void (*run)(void);
} SITUATIONS[] = {
    ROW(null), ROW(wild), ROW(non_canonical), ROW(call_of_null), ROW(call_of_data), ROW(write_to_code), ROW(aborts),
    ROW(divides), ROW(illegal), ROW(trap), ROW(past_the_file), ROW(trapped_call), ROW(sent),
    ROW(raised_after_unblocking), ROW(fault_while_blocked), ROW(overflow), ROW(overflow_in_a_thread), ROW(bad_free),
    ROW(bad_top), ROW(inside_stdio), ROW(in_a_thread), ROW(after_the_main_thread), ROW(eight_at_once),
    ROW(a_thousand_threads), ROW(with_a_thread_in_vfork), ROW(someone_reaps_every_child), ROW(in_a_signal_handler),
    ROW(on_altstack), ROW(without_an_altstack), ROW(child_signal_ignored), ROW(child_signal_without_zombies),
    ROW(our_handler_faults), ROW(mended), ROW(handed_back), ROW(hopeless), ROW(one_time), ROW(raw_handler), ROW(queries),
    ROW(survivor), ROW(ends_in_its_handler), ROW(ends_at_once_in_its_handler), ROW(ends_after_a_handler), ROW(resumed), ROW(ends_as_its_child), ROW(as_pid_1), ROW(as_pid_1_with_another_proc), ROW(dropped_before_exec), ROW(fatal_both), ROW(fork_then_crash), ROW(vfork_then_crash), ROW(child_and_parent), ROW(fork_in_a_thread),
    ROW(grandchild_elsewhere), ROW(limited_address_space), ROW(limited_file_size), ROW(no_more_descriptors),
    ROW(no_descriptor_at_all), ROW(no_more_processes), ROW(dropped_uid), ROW(not_dumpable), ROW(closed_streams),
    ROW(every_descriptor_closed), ROW(denied_clone), ROW(denied_execve), ROW(denied_ptrace), ROW(denied_readv),
    ROW(denied_both), ROW(denied_all), ROW(fatal_ptrace), ROW(dropped_and_denied), ROW(dropped_and_fatal), ROW(helper_deleted), ROW(helper_hangs), ROW(helper_crashes),
    ROW(helper_killed), ROW(folder_removed), ROW(large), ROW(sixteen_gigabytes),
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof SITUATIONS / sizeof *SITUATIONS; i++) {
        if (!strcmp(SITUATIONS[i].name, argv[1])) {
            SITUATIONS[i].run();
            return 0;
        }
    }
    fprintf(stderr, "no such situation\n");
    return 2;
}
