import codecs
exec(codecs.decode("frra = 'cynva grkg bs ebg13'", 'rot13'))
