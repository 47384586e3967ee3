// What an encoder's layer does between its matrix products, in one launch each: attention of sequences of any lengths
// without padding, a residual sum with its normalisation, GELU with its gate. Numbers are bf16, sums are 32 bits.
//
// The same text compiles for a GPU and, with on_host.h, for the processor, where the unit tests run it.

#ifdef ON_HOST
#include "on_host.h"
#else
#include <cuda_bf16.h>
#include <stdint.h>
#endif

namespace {

using bf16 = __nv_bfloat16;

constexpr int WARP = 32;
constexpr unsigned ALL = 0xffffffffu;
constexpr float LOG2_E = 1.44269504f;
// A block's tokens: sixteen queries for each of its four warps, and the keys that it looks at before the next ones.
constexpr int QUERIES = 64;
constexpr int KEYS = 64;
constexpr int THREADS = 128;
// Rows in shared memory are 16 bytes longer than what they hold, so that the eight rows that a warp reads at once lie
// in different banks.
constexpr int SPARE = 8;

struct Pair {
    float first, second;
};

__device__ inline Pair unpack(uint32_t bits) {
    return {__uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000u)};
}

__device__ inline uint32_t pack(float first, float second) {
    const uint32_t low = __bfloat16_as_ushort(__float2bfloat16(first));
    const uint32_t high = __bfloat16_as_ushort(__float2bfloat16(second));
    return low | high << 16;
}

// Two neighbours; the first has an even index.
__device__ inline Pair pair_at(const bf16* values, size_t index) {
    return unpack(*reinterpret_cast<const uint32_t*>(values + index));
}

__device__ inline void put_pair(bf16* values, size_t index, float first, float second) {
    *reinterpret_cast<uint32_t*>(values + index) = pack(first, second);
}

__device__ inline Pair operator+(Pair a, Pair b) { return {a.first + b.first, a.second + b.second}; }

// Where there is a bias, with it.
__device__ inline Pair biased(Pair x, const bf16* bias, size_t index) {
    return bias == nullptr ? x : x + pair_at(bias, index);
}

__device__ inline float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.70710678f)); }

// The warp adds a 16×16 times a 16×8 matrix to a 16×8 one. Which numbers a lane holds: PTX ISA, "Matrix Fragments for
// mma.m16n8k16": with g = lane / 4 and t = lane % 4, `a` has rows g and g + 8 and columns 2t, 2t + 1, then the same of
// columns 2t + 8, 2t + 9; `b` has column g and rows 2t, 2t + 1, then 2t + 8, 2t + 9; `d` rows g, then g + 8, columns
// 2t, 2t + 1.
__device__ inline void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
#ifdef ON_HOST
    mma_on_host(d, a, b0, b1);
#else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// A token's place in a table with a row a position, and the angles there.
struct Turn {
    const bf16* cos;
    const bf16* sin;

    // Turns numbers `at` and `at + half` of a row, and their neighbours; `half` is the row's length here.
    __device__ void turn(Pair& low, Pair& high, int position, int half, int at) const {
        if (cos == nullptr) return;
        const Pair c = pair_at(cos, static_cast<size_t>(position) * half + at);
        const Pair s = pair_at(sin, static_cast<size_t>(position) * half + at);
        const Pair a = low, b = high;
        low = {a.first * c.first - b.first * s.first, a.second * c.second - b.second * s.second};
        high = {a.first * s.first + b.first * c.first, a.second * s.second + b.second * c.second};
    }
};

// One attention head's part of a table with a row a token: queries, keys, values.
template <int WIDTH>
struct Head {
    const bf16* qkv;
    const bf16* bias;
    size_t row;
    size_t hidden;
    size_t column;
    int start;
    int length;

    // Numbers `at` and `at + 1` of a token's query (part 0), key (1) or value (2). Behind the sequence stands its last
    // token: any finite numbers do.
    __device__ Pair pair(int token, int part, int at) const {
        const size_t place = part * hidden + column + at;
        const size_t place_row = start + min(token, length - 1);
        return biased(pair_at(qkv, place_row * row + place), bias, place);
    }

    // The queries of rows `top` and `top + 8`, as the first factor of WIDTH / 16 products.
    __device__ void queries(uint32_t (&q)[WIDTH / 16][4], int top, int t, const Turn& turn) const {
        constexpr int BLOCKS = WIDTH / 16;
        for (int lower = 0; lower < 2; lower++) {
            const int token = top + 8 * lower;
#pragma unroll
            for (int block = 0; block < BLOCKS; block++) {
                const int at = 8 * block + 2 * t;
                Pair low = pair(token, 0, at), high = pair(token, 0, at + WIDTH / 2);
                turn.turn(low, high, min(token, length - 1), WIDTH / 2, at);
                const int far = block + BLOCKS;
                q[block / 2][2 * (block % 2) + lower] = pack(low.first, low.second);
                q[far / 2][2 * (far % 2) + lower] = pack(high.first, high.second);
            }
        }
    }

    // Keys `from` and following, a row a key, and their values, a column a key.
    __device__ void load(bf16* keys, bf16* values, int from, const Turn& turn) const {
        constexpr int PAIRS = WIDTH / 4;
        for (int index = threadIdx.x; index < KEYS * PAIRS; index += THREADS) {
            const int key = index / PAIRS, at = 2 * (index % PAIRS);
            Pair low = pair(from + key, 1, at), high = pair(from + key, 1, at + WIDTH / 2);
            turn.turn(low, high, min(from + key, length - 1), WIDTH / 2, at);
            put_pair(keys, key * (WIDTH + SPARE) + at, low.first, low.second);
            put_pair(keys, key * (WIDTH + SPARE) + at + WIDTH / 2, high.first, high.second);
        }
        for (int index = threadIdx.x; index < KEYS * (WIDTH / 2); index += THREADS) {
            const int key = index % KEYS, at = 2 * (index / KEYS);
            const Pair value = pair(from + key, 2, at);
            values[at * (KEYS + SPARE) + key] = __float2bfloat16(value.first);
            values[(at + 1) * (KEYS + SPARE) + key] = __float2bfloat16(value.second);
        }
    }
};

// Attention with the softmax of "FlashAttention-2" (Dao, 2023): the scores of a few keys at a time, what was summed up
// before scaled down where a greater score comes. A block has 64 queries of one sequence and one head.
template <int WIDTH>
__device__ inline void attention(const bf16* qkv, const bf16* bias, const bf16* cos, const bf16* sin,
                                 const uint32_t* tiles, bf16* out, int heads, int window) {
    constexpr int STEPS = WIDTH / 16;
    __shared__ __align__(16) bf16 keys[KEYS * (WIDTH + SPARE)];
    __shared__ __align__(16) bf16 values[WIDTH * (KEYS + SPARE)];

    const uint32_t* tile = tiles + 3 * blockIdx.x;
    const int start = tile[0], length = tile[1], first = tile[2];
    const size_t hidden = static_cast<size_t>(heads) * WIDTH;
    const Head<WIDTH> head{qkv, bias, 3 * hidden, hidden, static_cast<size_t>(blockIdx.y) * WIDTH, start, length};
    const Turn turn{cos, sin};
    const int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
    const int top = first + threadIdx.x / WARP * 16 + g;

    uint32_t q[STEPS][4];
    head.queries(q, top, t, turn);
    float found[2 * STEPS][4] = {};
    float most[2] = {-INFINITY, -INFINITY};
    float sum[2] = {};

    const int end = min(length, first + QUERIES + window);
    for (int from = max(0, first - window); from < end; from += KEYS) {
        __syncthreads();
        head.load(keys, values, from, turn);
        __syncthreads();

        float scores[KEYS / 8][4] = {};
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
            for (int k = 0; k < STEPS; k++) {
                const bf16* b = keys + (8 * n + g) * (WIDTH + SPARE) + 16 * k + 2 * t;
                multiply(scores[n], q[k], *reinterpret_cast<const uint32_t*>(b),
                         *reinterpret_cast<const uint32_t*>(b + 8));
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int key = from + 8 * n + 2 * t + i % 2, query = top + 8 * (i / 2);
                if (key >= length || abs(key - query) > window) scores[n][i] = -INFINITY;
            }
        }

#pragma unroll
        for (int lower = 0; lower < 2; lower++) {
            float greatest = most[lower];
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++) {
                greatest = fmaxf(greatest, fmaxf(scores[n][2 * lower], scores[n][2 * lower + 1]));
            }
            // The four lanes that share a row.
            greatest = fmaxf(greatest, __shfl_xor_sync(ALL, greatest, 1));
            greatest = fmaxf(greatest, __shfl_xor_sync(ALL, greatest, 2));
            // A row that has seen nothing yet.
            const float base = greatest == -INFINITY ? 0.0f : greatest;
            const float keep = exp2f((most[lower] - base) * LOG2_E);
            most[lower] = greatest;
            sum[lower] *= keep;
#pragma unroll
            for (int j = 0; j < 2 * STEPS; j++) {
                found[j][2 * lower] *= keep;
                found[j][2 * lower + 1] *= keep;
            }
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
                for (int i = 2 * lower; i < 2 * lower + 2; i++) {
                    scores[n][i] = exp2f((scores[n][i] - base) * LOG2_E);
                    sum[lower] += scores[n][i];
                }
            }
        }

        // A product of two tiles of scores has the shape of the next product's first factor.
#pragma unroll
        for (int k = 0; k < KEYS / 16; k++) {
            const uint32_t a[4] = {
                pack(scores[2 * k][0], scores[2 * k][1]), pack(scores[2 * k][2], scores[2 * k][3]),
                pack(scores[2 * k + 1][0], scores[2 * k + 1][1]), pack(scores[2 * k + 1][2], scores[2 * k + 1][3])};
#pragma unroll
            for (int j = 0; j < 2 * STEPS; j++) {
                const bf16* b = values + (8 * j + g) * (KEYS + SPARE) + 16 * k + 2 * t;
                multiply(found[j], a, *reinterpret_cast<const uint32_t*>(b),
                         *reinterpret_cast<const uint32_t*>(b + 8));
            }
        }
    }

#pragma unroll
    for (int lower = 0; lower < 2; lower++) {
        sum[lower] += __shfl_xor_sync(ALL, sum[lower], 1);
        sum[lower] += __shfl_xor_sync(ALL, sum[lower], 2);
        const int query = top + 8 * lower;
        if (query >= length) continue;
        const size_t row = (start + query) * hidden + head.column;
#pragma unroll
        for (int j = 0; j < 2 * STEPS; j++) {
            put_pair(out, row + 8 * j + 2 * t, found[j][2 * lower] / sum[lower], found[j][2 * lower + 1] / sum[lower]);
        }
    }
}

__device__ inline float warp_sum(float x) {
    for (int step = WARP / 2; step > 0; step /= 2) x += __shfl_xor_sync(ALL, x, step);
    return x;
}

}  // namespace

// `qkv` has a row a token: query, key and value of all heads; `bias` is a row of it, or null. `cos` and `sin` have a row
// a position and half a head's width, or are null. `tiles` has three numbers for each block in x: a sequence's first
// row, its length, and the first of the block's queries. A block in y is a head. A token looks at those at most `window`
// away. `out` has a row a token.
#define ATTENTION(WIDTH)                                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                           \
    attention_##WIDTH(const bf16* qkv, const bf16* bias, const bf16* cos, const bf16* sin, const uint32_t* tiles,   \
                      bf16* out, int heads, int window) {                                                           \
        attention<WIDTH>(qkv, bias, cos, sin, tiles, out, heads, window);                                           \
    }

ATTENTION(16)
ATTENTION(32)
ATTENTION(64)

// The sum x + change + bias, the first `rows` rows of `out`, and its normalisation, the next ones. `bias` may be null.
// A warp has a row; `columns` is even.
extern "C" __global__ void add_norm(const bf16* x, const bf16* change, const bf16* bias, const bf16* weight,
                                    const bf16* shift, bf16* out, int rows, int columns, float eps) {
    const int row = (blockIdx.x * blockDim.x + threadIdx.x) / WARP, lane = threadIdx.x % WARP;
    if (row >= rows) return;
    const size_t start = static_cast<size_t>(row) * columns;
    bf16* normed = out + static_cast<size_t>(rows) * columns;

    float total = 0.0f;
    for (int at = 2 * lane; at < columns; at += 2 * WARP) {
        const Pair both = pair_at(x, start + at) + biased(pair_at(change, start + at), bias, at);
        put_pair(out, start + at, both.first, both.second);
        const Pair kept = pair_at(out, start + at);
        total += kept.first + kept.second;
    }
    const float mean = warp_sum(total) / columns;

    // A lane reads what it wrote itself.
    float squares = 0.0f;
    for (int at = 2 * lane; at < columns; at += 2 * WARP) {
        const Pair kept = pair_at(out, start + at);
        squares += (kept.first - mean) * (kept.first - mean) + (kept.second - mean) * (kept.second - mean);
    }
    const float scale = rsqrtf(warp_sum(squares) / columns + eps);

    for (int at = 2 * lane; at < columns; at += 2 * WARP) {
        const Pair kept = pair_at(out, start + at), w = pair_at(weight, at), b = pair_at(shift, at);
        put_pair(normed, start + at, (kept.first - mean) * scale * w.first + b.first,
                 (kept.second - mean) * scale * w.second + b.second);
    }
}

// GELU of x + bias; where `gated` is not 0, a row of `x` is twice as wide as one of `out`, and its second half is what
// GELU of the first is multiplied with. `bias` may be null. A thread has two of the row's `columns` numbers; `columns`,
// those of `out`, is even.
extern "C" __global__ void gated_gelu(const bf16* x, const bf16* bias, bf16* out, int rows, int columns, int gated) {
    const size_t index = 2 * (static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x);
    if (index >= static_cast<size_t>(rows) * columns) return;
    const size_t at = index % columns, start = index / columns * columns * (gated ? 2 : 1);
    Pair y = biased(pair_at(x, start + at), bias, at);
    y = {gelu(y.first), gelu(y.second)};
    if (gated) {
        const Pair gate = biased(pair_at(x, start + columns + at), bias, columns + at);
        y = {y.first * gate.first, y.second * gate.second};
    }
    put_pair(out, index, y.first, y.second);
}
