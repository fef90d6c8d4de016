// Exceptions through frames with destructors, in the main thread and in another.
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Named {
    std::string name;
    explicit Named(std::string n) : name(n) {}
    ~Named() { std::cout << "drop " << name << "\n"; }
};

static int down(int n) {
    Named here("frame " + std::to_string(n));
    if (n == 0) throw std::runtime_error("bottom");
    return down(n - 1) + 1;
}

int main() {
    try {
        down(3);
    } catch (const std::exception &error) {
        std::cout << "caught " << error.what() << std::endl;
    }
    int seen = 0;
    std::thread other([&] {
        try {
            throw 42;
        } catch (int number) {
            seen = number;
        }
    });
    other.join();
    std::cout << seen << std::endl;
    try {
        std::vector<int>().at(3);
    } catch (std::out_of_range &error) {
        std::cout << error.what() << std::endl;
    }
}
