// The kernels on the processor, for tests, behind a launch like CUDA's.
#define ON_HOST
#include "encoder.cu"

// 0, or 1 for a kernel that does not exist.
extern "C" int launch(const char* name, unsigned x, unsigned y, unsigned threads, void** parameters) {
    static std::mutex one_at_a_time;
    const std::lock_guard<std::mutex> guard(one_at_a_time);
    const std::string kernel = name;
    std::function<void()> body;
    if (kernel == "attention_16") body = bound(attention_16, parameters);
    if (kernel == "attention_32") body = bound(attention_32, parameters);
    if (kernel == "attention_64") body = bound(attention_64, parameters);
    if (kernel == "add_norm") body = bound(add_norm, parameters);
    if (kernel == "gated_gelu") body = bound(gated_gelu, parameters);
    if (!body) return 1;
    host::body = &body;
    host::block_size = {threads, 1, 1};
    for (host::block_index.y = 0; host::block_index.y < y; host::block_index.y++) {
        for (host::block_index.x = 0; host::block_index.x < x; host::block_index.x++) host::run_block();
    }
    return 0;
}
