# cython: cdivision=True
# Memory for many rows and big tables: of huge pages where the system has them.
#
# A header: it defines no module of its own.

from libc.stddef cimport size_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <stdlib.h>
    #include <string.h>
    /* What is called a huge page on all common machines. */
    #define OTTERIZE_PAGE ((size_t)1 << 21)
    #if defined(__linux__) && !defined(OTTERIZE_CHECKED_MEMORY)
    #include <sys/mman.h>
    /* Mapped and not allocated: of what posix_memalign gives, the system made every third one of
       small pages. */
    static void *otterize_map(size_t size, int is_huge) {
        char *room = mmap(NULL, size + OTTERIZE_PAGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        size_t before;
        if (room == MAP_FAILED)
            return NULL;
        before = (OTTERIZE_PAGE - (uintptr_t)room % OTTERIZE_PAGE) % OTTERIZE_PAGE;
        if (before)
            munmap(room, before);
        munmap(room + before + size, OTTERIZE_PAGE - before);
        if (is_huge)
            madvise(room + before, size, MADV_HUGEPAGE);
        return room + before;
    }
    static size_t otterize_whole_pages(size_t size) {
        return (size + OTTERIZE_PAGE - 1) & ~(OTTERIZE_PAGE - 1);
    }
    static void *otterize_new_zeros(size_t size) {
        if (size < OTTERIZE_PAGE)
            return calloc(1, size ? size : 1);
        return otterize_map(otterize_whole_pages(size), 1);
    }
    static void otterize_free_zeros(void *zeros, size_t size) {
        if (size < OTTERIZE_PAGE)
            free(zeros);
        else if (zeros)
            munmap(zeros, otterize_whole_pages(size));
    }
    static void *otterize_new_chunk(int is_first) {
        return otterize_map(OTTERIZE_PAGE, !is_first);
    }
    static void otterize_free_chunk(void *chunk) {
        if (chunk)
            munmap(chunk, OTTERIZE_PAGE);
    }
    #else
    static void *otterize_new_zeros(size_t size) {
        return calloc(1, size ? size : 1);
    }
    static void otterize_free_zeros(void *zeros, size_t size) {
        (void)size;
        free(zeros);
    }
    static void *otterize_new_chunk(int is_first) {
        (void)is_first;
        return malloc(OTTERIZE_PAGE);
    }
    static void otterize_free_chunk(void *chunk) {
        free(chunk);
    }
    #endif
    /* What was there, and zeros behind it; NULL, and all as it was, where there is no room. */
    static void *otterize_grow_zeros(void *old, size_t size, size_t new_size) {
        void *grown = otterize_new_zeros(new_size);
        if (grown && old) {
            memcpy(grown, old, size);
            otterize_free_zeros(old, size);
        }
        return grown;
    }
    """
    # Rows are looked up at random, and with a page of its own for every 20 of them half of that
    # time goes to finding pages. A small capture has one chunk, of which it uses a few small pages.
    const size_t PAGE "OTTERIZE_PAGE"
    void *new_chunk "otterize_new_chunk"(bint is_first) noexcept nogil
    void give_back_chunk "otterize_free_chunk"(void *chunk) noexcept nogil
    # Tables that are read first and then written would have each small page made twice, and the
    # other threads' processors told of it.
    void *new_zeros "otterize_new_zeros"(size_t size) noexcept nogil
    void free_zeros "otterize_free_zeros"(void *zeros, size_t size) noexcept nogil
    void *grow_zeros "otterize_grow_zeros"(void *old, size_t size, size_t new_size) noexcept nogil
