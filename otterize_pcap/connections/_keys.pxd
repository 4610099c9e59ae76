# Declarations of `_keys.pyx`.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    NO_KEY = 0xFFFFFFFFu

cdef struct KeySlot:
    uint32_t tag
    uint32_t number


cdef class Keys:
    cdef uint8_t *text
    cdef uint64_t used
    cdef uint64_t room
    cdef uint64_t *begins
    cdef uint32_t count
    cdef uint32_t begin_room
    cdef KeySlot *slots
    cdef int slot_bits
    cdef uint64_t secret

    cdef uint32_t number_of(self, const uint8_t *key, uint32_t length) except? 0xFFFFFFFF nogil
    cdef uint32_t find(self, const uint8_t *key, uint32_t length) noexcept nogil
    cdef uint64_t _place(
        self, const uint8_t *key, uint32_t length, uint64_t hash_
    ) noexcept nogil
    cdef int _add(self, const uint8_t *key, uint32_t length) except -1 nogil
    cdef int _grow(self) except -1 nogil
    cdef uint64_t _hash(self, const uint8_t *key, uint32_t length) noexcept nogil

    cdef inline const uint8_t *key(self, uint32_t number) noexcept nogil:
        return self.text + self.begins[number]

    cdef inline uint32_t length(self, uint32_t number) noexcept nogil:
        return <uint32_t>(self.begins[number + 1] - self.begins[number])
