import os, sys, urllib
class Old(object):
    def f(self, a, b=2, *c, **d):
        print "hello", a
        print >>sys.stderr, "x"
        exec "import os" in d
        return a[1:], [i for i in b if i]
try:
    urllib.urlopen("http://192.0.2.1/", data=1, *[1], **{})
except (IOError, OSError), e:
    raise ValueError, "x"
except:
    pass
with open("out") as f:
    f.write(`f`)
while sys.argv and sys.argv < 3:
    os.system("echo %s" % sys.argv)
