// What encoder.cu needs of CUDA, on the processor: for tests. The threads of a block are coroutines of one thread that
// take turns wherever they wait for each other; blocks run one after another, so shared memory is static memory.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)
#define __align__(bytes) __attribute__((aligned(bytes)))

using std::max;
using std::min;

struct __nv_bfloat16 {
    uint16_t bits;
};

inline float __uint_as_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

inline uint16_t __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }

// To the nearest, ties to even.
inline __nv_bfloat16 __float2bfloat16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x)) return {0x7fff};
    return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }

namespace host {

constexpr int WARP = 32;

struct Dim {
    unsigned x = 0, y = 0, z = 0;
};

// Where some of a block's threads wait for each other.
struct Barrier {
    int size = 0;
    int waiting = 0;
    unsigned passed = 0;
};

struct Warp {
    Barrier barrier;
    float lanes[WARP];
    float a[16][16];
    float b[16][8];
};

struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    bool done = false;
};

inline Dim thread_index, block_index, block_size;
inline Barrier block;
inline std::vector<Warp> warps;
inline std::vector<Thread> threads;
inline ucontext_t scheduler;
inline const std::function<void()>* body;

inline Warp& warp() { return warps[thread_index.x / WARP]; }

inline void wait(Barrier& barrier) {
    const unsigned before = barrier.passed;
    if (++barrier.waiting == barrier.size) {
        barrier.waiting = 0;
        barrier.passed++;
    }
    while (barrier.passed == before) swapcontext(&threads[thread_index.x].context, &scheduler);
}

inline void start() {
    (*body)();
    threads[thread_index.x].done = true;
}

inline void run_block() {
    constexpr size_t STACK = 1 << 16;
    const int count = block_size.x;
    block = {count};
    warps.assign((count + WARP - 1) / WARP, {});
    for (Warp& warp : warps) warp.barrier.size = WARP;
    threads = std::vector<Thread>(count);
    for (Thread& thread : threads) {
        thread.stack.reset(new char[STACK]);
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.get();
        thread.context.uc_stack.ss_size = STACK;
        thread.context.uc_link = &scheduler;
        makecontext(&thread.context, start, 0);
    }
    for (int left = count; left > 0;) {
        for (int index = 0; index < count; index++) {
            if (threads[index].done) continue;
            thread_index.x = index;
            swapcontext(&scheduler, &threads[index].context);
            left -= threads[index].done;
        }
    }
}

}  // namespace host

#define threadIdx host::thread_index
#define blockIdx host::block_index
#define blockDim host::block_size

inline void __syncthreads() { host::wait(host::block); }

inline float __shfl_xor_sync(unsigned, float x, int mask) {
    host::Warp& warp = host::warp();
    const int lane = threadIdx.x % host::WARP;
    warp.lanes[lane] = x;
    host::wait(warp.barrier);
    const float other = warp.lanes[lane ^ mask];
    host::wait(warp.barrier);
    return other;
}

// Which numbers a lane holds: PTX ISA, "Matrix Fragments for mma.m16n8k16".
inline void mma_on_host(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    host::Warp& warp = host::warp();
    const int lane = threadIdx.x % host::WARP, g = lane / 4, t = lane % 4;
    const uint32_t b[2] = {b0, b1};
    for (int i = 0; i < 8; i++) {
        const int row = g + ((i >= 2 && i < 4) || i >= 6 ? 8 : 0), column = 2 * t + i % 2 + (i >= 4 ? 8 : 0);
        warp.a[row][column] = __uint_as_float(i % 2 ? a[i / 2] & 0xffff0000u : a[i / 2] << 16);
    }
    for (int i = 0; i < 4; i++) {
        const int row = 2 * t + i % 2 + (i >= 2 ? 8 : 0);
        warp.b[row][g] = __uint_as_float(i % 2 ? b[i / 2] & 0xffff0000u : b[i / 2] << 16);
    }
    host::wait(warp.barrier);
    for (int i = 0; i < 4; i++) {
        const int row = g + (i >= 2 ? 8 : 0), column = 2 * t + i % 2;
        for (int k = 0; k < 16; k++) d[i] += warp.a[row][k] * warp.b[k][column];
    }
    host::wait(warp.barrier);
}

// Calls a kernel with parameters as `cuLaunchKernel` takes them: a pointer to each.
template <typename... P, size_t... I>
void call(void (*kernel)(P...), void** parameters, std::index_sequence<I...>) {
    kernel(*static_cast<P*>(parameters[I])...);
}

template <typename... P>
std::function<void()> bound(void (*kernel)(P...), void** parameters) {
    return [=] { call(kernel, parameters, std::index_sequence_for<P...>()); };
}
