// A C++ function with another inlined into it; looked at by tests/it/images.rs.
#include <cstdio>
namespace outer {
struct Value {
    int number;
    [[gnu::always_inline]] inline int twice() const {
        return *(volatile int *)&number * 2; // line 7
    }
};
[[gnu::noinline]] int add(const Value &a, long) {
    return a.twice() + 1; // line 11
}
} // namespace outer
int main() {
    std::printf("%d\n", outer::add({4}, 1));
}
